// Who this is. There are no accounts: a browser gets a friendly name at its first
// visit and keeps it until its user chooses another one.

import type { User } from './protocol.ts';
import { newUserId, pick } from './random.ts';
import { clip } from './text.ts';

export const MAX_NAME = 40;

const first = ['Amber', 'Brisk', 'Calm', 'Clever', 'Gentle', 'Happy', 'Jolly', 'Keen', 'Lucky', 'Merry'];
const second = ['Badger', 'Crane', 'Dolphin', 'Finch', 'Fox', 'Heron', 'Lynx', 'Otter', 'Robin', 'Wren'];

const hues = Array.from({ length: 24 }, (_, i) => i * 15);

/** A hue that goes with a name, so that ?user=Ada looks the same everywhere. */
export function hueOf(name: string): number {
  // FNV-1a; its upper bits are the better mixed ones.
  let hash = 0x811c9dc5;
  for (const point of name) hash = Math.imul(hash ^ (point.codePointAt(0) ?? 0), 0x01000193);
  return hues[(hash >>> 8) % hues.length] as number;
}

export function newUser(wanted?: string): User {
  const name = wanted ?? `${pick(first)} ${pick(second)}`;
  const hue = wanted === undefined ? pick(hues) : hueOf(wanted);
  return { id: newUserId(), name: cleanName(name) ?? 'Guest', hue };
}

/** A name as the protocol wants it, or undefined for one that is empty. */
export function cleanName(name: string): string | undefined {
  return clip(name.replace(/\s+/g, ' ').trim(), MAX_NAME).trim() || undefined;
}

export function parseUser(text: string | null): User | undefined {
  try {
    const user = JSON.parse(text ?? 'null') as Partial<User> | null;
    if (!user || typeof user.id !== 'string' || !/^u_[0-9A-Za-z]{1,32}$/.test(user.id)) return undefined;
    const name = typeof user.name === 'string' ? cleanName(user.name) : undefined;
    if (!name || !Number.isInteger(user.hue) || Number(user.hue) < 0 || Number(user.hue) > 359)
      return undefined;
    return { id: user.id, name, hue: Number(user.hue) };
  } catch {
    return undefined;
  }
}

const KEY = 'board-user';

/**
 * The user of this page. A wanted name (?user=Ada) makes a person of its own for
 * this tab, so that one browser can hold several.
 */
export function loadUser(wanted: string | null): { user: User; save: (user: User) => void } {
  const name = wanted === null ? undefined : cleanName(wanted);
  const [storage, key] = name ? [sessionStorage, `${KEY}:${name}`] : [localStorage, KEY];
  const save = (user: User) => {
    try {
      storage.setItem(key, JSON.stringify(user));
    } catch {
      // Storage is full or switched off: the user lasts as long as the page.
    }
  };
  let user: User | undefined;
  try {
    user = parseUser(storage.getItem(key));
  } catch {
    user = undefined;
  }
  if (!user) {
    user = newUser(name);
    save(user);
  }
  return { user, save };
}
