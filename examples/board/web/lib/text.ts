// Text is counted in code points, as the server counts it.

export function codePoints(text: string): number {
  let n = 0;
  for (const _ of text) n++;
  return n;
}

/** The first n code points; a lone half of a surrogate pair, which is no valid UTF-8, is replaced. */
export function clip(text: string, n: number): string {
  let out = '';
  let count = 0;
  for (const point of text) {
    if (count++ === n) break;
    const code = point.charCodeAt(0);
    out += point.length === 1 && code >= 0xd800 && code <= 0xdfff ? '�' : point;
  }
  return out;
}

/** One line for labels and toasts, cut between words if one ends near the cut. */
export function excerpt(text: string, n: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (codePoints(line) <= n) return line;
  const cut = clip(line, n - 1);
  const space = line[cut.length] === ' ' ? cut.length : cut.lastIndexOf(' ');
  return `${space > cut.length * 0.7 ? cut.slice(0, space) : cut}…`;
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = (word: string | undefined) => Array.from(word ?? '')[0] ?? '';
  return (first(words[0]) + (words.length > 1 ? first(words.at(-1)) : '')).toLocaleUpperCase() || '?';
}
