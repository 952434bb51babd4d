// The text of the one note that is being edited here. The textarea belongs to
// its user: a text that arrives from elsewhere never goes into it by itself, it
// waits beside it until the user takes theirs or keeps his own.

import type { Conflict, Note } from './protocol.ts';

export interface Theirs {
  readonly text: string;
  readonly by: string;
  readonly rev: number;
}

export interface TextChange {
  readonly text: string;
  readonly textRev: number;
}

export class Draft {
  readonly id: string;
  text: string;
  /** The other text, while the user has not decided. */
  theirs: Theirs | undefined;
  /** A text of ours that theirs replaced, told by the server. */
  private lost: Conflict | undefined;
  /** The text of the note as this draft last left or met it. */
  private seen: string;
  private rev: number;

  constructor(note: Note) {
    this.id = note.id;
    this.text = note.text;
    this.seen = note.text;
    this.rev = note.textRev;
  }

  get dirty(): boolean {
    return this.text !== this.seen;
  }

  /** Tells of the note as the view has it now. */
  observe(note: Note): void {
    if (note.text === this.seen || note.text === this.text) {
      this.seen = note.text;
      this.rev = note.textRev;
      this.theirs = undefined;
    } else {
      this.theirs = { text: note.text, by: note.by, rev: note.textRev };
    }
  }

  /** Keeps the server's word that our text was replaced; it matters if the user never decides. */
  conflicted(conflict: Conflict): void {
    this.lost = conflict;
  }

  /** What is to be sent now. While the user has not decided nothing is. */
  flush(): TextChange | undefined {
    if (this.theirs || !this.dirty) return undefined;
    this.seen = this.text;
    return { text: this.text, textRev: this.rev };
  }

  take(): void {
    if (!this.theirs) return;
    this.text = this.theirs.text;
    this.adopt();
  }

  keep(): void {
    if (this.theirs) this.adopt();
  }

  /**
   * The end of editing. An undecided user who typed on keeps his text, with the
   * revision that he saw: the server then tells the other author. One who did
   * not gets back, as `lost`, what the server says he lost.
   */
  end(): { change?: TextChange; lost?: Conflict } {
    const { theirs, lost } = this;
    this.theirs = undefined;
    if (theirs && !this.dirty) return lost ? { lost } : {};
    const change = this.flush();
    return change ? { change } : {};
  }

  private adopt(): void {
    this.seen = this.theirs?.text ?? this.seen;
    this.rev = this.theirs?.rev ?? this.rev;
    this.theirs = undefined;
    this.lost = undefined;
  }
}
