// Writes out/licenses.txt: the licences of what the page is bundled from, which
// all ask to go along with it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const bundled = [
  'event-source-polyfill',
  'next',
  'react',
  'react-dom',
  'reconnecting-eventsource',
  'scheduler',
  'tailwindcss',
];

function text(file) {
  return readFileSync(file, 'utf8').replaceAll('\r\n', '\n').trim();
}

/** The licence file of a package, or else the comment at the head of its code. */
function license(folder, { main }) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file) return text(path.join(folder, file));
  const [head] = /^(\/\/.*\n)+/m.exec(text(path.join(folder, main))) ?? [];
  if (!head?.includes('Copyright')) throw new Error(`${folder}: no licence found`);
  return head.replaceAll(/^\/\/ ?/gm, '').trim();
}

export function writeLicenses(web) {
  const parts = bundled.map((name) => {
    const folder = path.join(web, 'node_modules', name);
    const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return [`${name} ${manifest.version}`, license(folder, manifest)];
  });
  parts.push(['Inter', text(path.join(web, 'app', 'fonts', 'OFL.txt'))]);
  const line = '-'.repeat(72);
  const all = parts.map(([name, words]) => `${line}\n${name}\n${line}\n\n${words}\n`);
  writeFileSync(path.join(web, 'out', 'licenses.txt'), all.join('\n'));
}
