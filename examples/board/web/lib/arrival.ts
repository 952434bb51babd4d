// A welcome on its way. It comes in many messages, so that a large board needs no
// large one, and takes effect as a whole: who is cut in the middle of it has the
// board as it was before, and its position.

import type { Effect, Note, Rows, ServerMessage, Welcome, WelcomeHead } from './protocol.ts';

export class Arrival {
  readonly head: WelcomeHead;
  /** What came between and concerns what is not there yet: for the owner, after the welcome. */
  readonly held: ServerMessage[] = [];
  private readonly notes: Note[] = [];
  private readonly ops: Effect[] = [];

  constructor(head: WelcomeHead) {
    this.head = head;
  }

  add({ notes = [], ops = [] }: Rows): void {
    for (const note of notes) this.notes.push(note);
    for (const op of ops) this.ops.push(op);
  }

  /** The welcome as it stands at a position. */
  whole(pos: string): Welcome {
    const { head, notes, ops } = this;
    const { mode, reset, ...rest } = head;
    if (mode === 'delta') return { ...rest, pos, mode, ops };
    return { ...rest, pos, mode, notes, ...(reset && { reset }) };
  }
}
