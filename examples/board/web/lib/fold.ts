// How operations change a note: once as the server told of them (effects), once
// as this page expects them to turn out (predictions).

import type { Effect, Note, Op } from './protocol.ts';

/** An operation that the server has not answered yet. */
export interface Pending {
  readonly seq: number;
  readonly op: Op;
  /** When the user did it, by the page's clock. */
  readonly at: number;
  /** The stacking order that a `create` or `front` expects to get. */
  readonly z?: number;
  /** The content that a `restore` expects to bring back. */
  readonly ghost?: Note;
}

/** The confirmed note after an effect; undefined is a note that is not there. */
export function applyEffect(note: Note | undefined, effect: Effect): Note | undefined {
  switch (effect.k) {
    case 'create':
    case 'restore':
      // f is the whole note.
      return { ...(effect.f as Note), id: effect.id };
    case 'set':
    case 'front':
      return note && { ...note, ...effect.f, by: effect.by, at: effect.at };
    case 'delete':
      return undefined;
  }
}

/** The note as it will be if nothing comes in between. */
export function predict(note: Note | undefined, pending: Pending, user: string): Note | undefined {
  const { op, at } = pending;
  switch (op.k) {
    case 'create':
      return note ?? { id: op.id, ...op.f, z: pending.z ?? 0, textRev: 0, by: user, at };
    case 'restore':
      return note ?? (pending.ghost && { ...pending.ghost, by: user, at });
    case 'delete':
      return undefined;
    case 'front':
      return note && { ...note, z: Math.max(pending.z ?? 0, note.z), by: user, at };
    case 'set': {
      if (!note) return undefined;
      const textRev = op.f.text === undefined ? note.textRev : note.textRev + 1;
      return { ...note, ...op.f, textRev, by: user, at };
    }
  }
}

export function sameNote(a: Note | undefined, b: Note | undefined): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  return (
    a.x === b.x &&
    a.y === b.y &&
    a.z === b.z &&
    a.color === b.color &&
    a.text === b.text &&
    a.textRev === b.textRev &&
    a.by === b.by &&
    a.at === b.at
  );
}

/** Whether two operations write the same registers of one note, so that the later can stand for both. */
export function sameRegisters(a: Op, b: Op): boolean {
  if (a.k !== 'set' || b.k !== 'set' || a.id !== b.id) return false;
  const names = (op: typeof a) => Object.keys(op.f).sort().join();
  return names(a) === names(b);
}
