// Editing the text of a note: one draft at a time, sent a moment after the last
// key and when the user leaves it.

import { Draft, type Theirs } from './draft.ts';
import type { Conflict } from './protocol.ts';
import { Signal } from './signal.ts';
import type { Store } from './store.ts';

const PAUSE = 400;

export interface DraftView {
  readonly id: string;
  readonly text: string;
  readonly theirs: Theirs | undefined;
}

export interface EditingOwner {
  readonly store: Store;
  set(id: string, text: string, textRev: number): void;
  /** A text was replaced by another's and its author never decided about it. */
  lost(conflict: Conflict): void;
}

export class Editing {
  readonly view = new Signal<DraftView | undefined>(undefined);
  private readonly owner: EditingOwner;
  private draft: Draft | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private unsubscribe: () => void = () => {};

  constructor(owner: EditingOwner) {
    this.owner = owner;
  }

  begin(id: string): void {
    if (this.draft?.id === id) return;
    this.end();
    const note = this.owner.store.note(id);
    if (!note) return;
    this.draft = new Draft(note);
    this.unsubscribe = this.owner.store.subscribeNote(id, () => this.observe());
    this.show();
  }

  input(text: string): void {
    if (!this.draft) return;
    this.draft.text = text;
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), PAUSE);
  }

  take(): void {
    this.draft?.take();
    this.show();
  }

  keep(): void {
    this.draft?.keep();
    this.flush();
    this.show();
  }

  /** Sends what is typed so far. */
  flush(): void {
    clearTimeout(this.timer);
    const { draft } = this;
    const change = draft?.flush();
    if (draft && change) this.owner.set(draft.id, change.text, change.textRev);
  }

  /** Ends the editing of this note; of whichever it is if none is named. */
  end(id = this.draft?.id): void {
    const { draft } = this;
    if (!draft || draft.id !== id) return;
    clearTimeout(this.timer);
    this.draft = undefined;
    this.unsubscribe();
    const { change, lost } = draft.end();
    if (change) this.owner.set(draft.id, change.text, change.textRev);
    if (lost) this.owner.lost(lost);
    this.show();
  }

  /** True if the conflict concerns the draft, which shows it in its own way. */
  conflicted(conflict: Conflict): boolean {
    if (this.draft?.id !== conflict.id) return false;
    this.draft.conflicted(conflict);
    return true;
  }

  private observe(): void {
    const { draft } = this;
    if (!draft) return;
    const note = this.owner.store.note(draft.id);
    if (!note) {
      // Deleted under the user's hands: what was not sent yet is sent still, so
      // that its refusal brings the text back.
      draft.keep();
      this.end();
      return;
    }
    draft.observe(note);
    this.show();
  }

  private show(): void {
    const { draft } = this;
    this.view.set(draft && { id: draft.id, text: draft.text, theirs: draft.theirs });
  }
}
