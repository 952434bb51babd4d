// What the user is told in toasts, in words.

import { copyText } from './clipboard.ts';
import type { Pending } from './fold.ts';
import type { People } from './people.ts';
import type { Conflict, Note, Notice, Reject, SetFields } from './protocol.ts';
import { excerpt } from './text.ts';
import type { ToastAction, Toasts } from './toasts.ts';

/** Time enough to change one's mind about a deleted note. */
const UNDO_LIFE = 8_000;
/** What holds a text that the user may want back stays until it is dismissed. */
const FOR_EVER = Number.POSITIVE_INFINITY;
const QUOTE = 40;

export interface TellActions {
  restore(id: string): void;
  /** Brings a note back together with the changes that were refused. */
  revive(note: Note, late: SetFields): void;
  /** Makes a note of its own of a text that was replaced. */
  keepBoth(id: string, text: string): void;
}

const refusals: Record<Reject['code'], string> = {
  gone: 'This note is no longer there',
  exists: 'Another note has taken this place',
  too_long: 'The text is too long for a note',
  limit: 'The board is full: delete a note first',
  invalid: 'The board refused a change',
  forbidden: 'The board refused a change',
};

const deeds: Record<Notice['kind'], string> = {
  created: 'added',
  edited: 'edited',
  deleted: 'deleted',
  restored: 'restored',
  joined: 'joined',
  left: 'left',
};

// Keys: of toasts that ask what to do about a note, and of notices of what somebody did to it.
const aboutNote = (id: string) => `note:${id}:`;
const aboutDeed = (id: string, user: string | undefined) => `deed:${id}:${user}`;

export class Tell {
  private readonly toasts: Toasts;
  private readonly people: People;
  private readonly actions: TellActions;
  /** What was refused of each note whose toast is still there: it offers all of that. */
  private readonly late = new Map<string, SetFields>();

  constructor(toasts: Toasts, people: People, actions: TellActions) {
    this.toasts = toasts;
    this.people = people;
    this.actions = actions;
  }

  deleted(id: string): void {
    const undo = { label: 'Undo', run: () => this.actions.restore(id) };
    this.toasts.show({ key: aboutNote(id), text: 'Note deleted', life: UNDO_LIFE, actions: [undo] });
  }

  reset(): void {
    this.toasts.clearNotices();
    this.toasts.show({ key: 'reset', text: 'The board was reset' });
  }

  full(): void {
    this.toasts.show({
      key: 'full',
      text: 'Too many changes are waiting. Go on when the board is connected again.',
    });
  }

  tooLarge({ op }: Pending): void {
    const text = 'f' in op ? op.f.text : undefined;
    const said = 'A change was too large for the board';
    this.toasts.show(text ? { text: said, life: FOR_EVER, actions: [this.copying(text)] } : { text: said });
  }

  /** The server did not do what the user did. */
  refused(refused: Pending | undefined, message: Reject): void {
    // Nothing is lost with a stacking order, nor with a note that is gone already.
    if (!refused || refused.op.k === 'front' || refused.op.k === 'delete') return;
    const { op } = refused;
    const { note } = message;
    const key = aboutNote(op.id);
    const fields = { ...this.stillOffered(op.id), ...(op.k === 'restore' ? {} : op.f) };
    const text = fields.text ?? (note ?? refused.ghost)?.text ?? '';
    const copying = text ? [this.copying(text)] : [];

    if (message.code === 'gone' && note && op.k === 'set') {
      const by = message.by === this.people.me.get().id ? undefined : this.people.user(message.by);
      this.late.set(op.id, fields);
      this.toasts.withdraw(aboutDeed(op.id, message.by));
      this.toasts.show({
        key,
        text: by ? `${by.name} deleted this note` : 'This note was deleted',
        life: FOR_EVER,
        actions: [{ label: 'Restore', run: () => this.actions.revive(note, fields) }, ...copying],
        ...(by && { hue: by.hue }),
      });
      return;
    }
    this.toasts.show({
      key,
      text: refusals[message.code] ?? refusals.invalid,
      ...(text && { life: FOR_EVER, actions: copying }),
    });
  }

  private stillOffered(id: string): SetFields | undefined {
    for (const other of this.late.keys()) if (!this.toasts.has(aboutNote(other))) this.late.delete(other);
    return this.late.get(id);
  }

  /** A text of the user's was replaced by one whose author had not seen it. */
  replaced({ id, lost, winner, seq }: Conflict): void {
    const by = this.people.user(winner);
    this.toasts.withdraw(aboutDeed(id, winner));
    this.toasts.show({
      key: `${aboutNote(id)}${seq}`,
      text: `${this.people.name(winner)} replaced your text “${excerpt(lost, QUOTE)}”`,
      life: FOR_EVER,
      actions: [{ label: 'Keep both', run: () => this.actions.keepBoth(id, lost) }, this.copying(lost)],
      ...(by && { hue: by.hue }),
    });
  }

  /** What others did. */
  announce({ kind, by, text, note }: Notice): void {
    this.people.meet(by);
    if (by.id === this.people.me.get().id || !deeds[kind]) return;
    if (note === undefined) {
      this.toasts.show({ key: `person:${by.id}`, text: `${by.name} ${deeds[kind]}`, hue: by.hue });
      return;
    }
    // A toast that asks what to do about it says more.
    if (this.toasts.has(aboutNote(note)) && kind !== 'restored') return;
    const what = text ? `“${excerpt(text, QUOTE)}”` : 'a note';
    this.toasts.show({ key: aboutDeed(note, by.id), text: `${by.name} ${deeds[kind]} ${what}`, hue: by.hue });
  }

  private copying(text: string): ToastAction {
    return {
      label: 'Copy text',
      run: async () => {
        const done = await copyText(text);
        this.toasts.show({ key: 'copied', text: done ? 'Text copied' : 'The browser did not allow copying' });
      },
    };
  }
}
