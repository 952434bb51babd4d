// What belongs to this window alone: which note is selected, the colour of the
// next one, and how far the canvas is moved.

import type { Color, Note } from '../lib/protocol.ts';
import type { Session } from '../lib/session.ts';
import { Signal } from '../lib/signal.ts';

export const NOTE_WIDTH = 176;
export const NOTE_HEIGHT = 160;
const MARGIN = 24;
/** Room that the tool bar takes at the bottom. */
const TOOLBAR = 88;

export class Desk {
  readonly selected = new Signal<string | undefined>(undefined);
  readonly color = new Signal<Color>('amber');
  /** A note that was made just now: leaving it empty with Escape removes it. */
  fresh: string | undefined;
  private readonly session: Session;
  private viewport: HTMLElement | undefined;
  private pan = { x: 0, y: 0 };

  constructor(session: Session) {
    this.session = session;
  }

  attach(viewport: HTMLElement | undefined): void {
    this.viewport = viewport;
    if (viewport) this.panTo(this.pan.x, this.pan.y);
  }

  get offset(): { readonly x: number; readonly y: number } {
    return this.pan;
  }

  /** Moves the canvas; written to the style directly, so that nothing renders for it. */
  panTo(x: number, y: number): void {
    this.pan = { x: Math.round(x), y: Math.round(y) };
    this.viewport?.style.setProperty('--pan-x', `${this.pan.x}px`);
    this.viewport?.style.setProperty('--pan-y', `${this.pan.y}px`);
  }

  /** Board coordinates of a point of the window. */
  toBoard(clientX: number, clientY: number): { x: number; y: number } {
    const rect = this.viewport?.getBoundingClientRect();
    return { x: clientX - (rect?.left ?? 0) - this.pan.x, y: clientY - (rect?.top ?? 0) - this.pan.y };
  }

  /** Moves the canvas as little as shows the place of a note whole. */
  reveal(x: number, y: number): void {
    const rect = this.viewport?.getBoundingClientRect();
    if (!rect) return;
    const into = (at: number, size: number, room: number) =>
      Math.max(MARGIN, Math.min(at, room - size - MARGIN));
    const left = into(x + this.pan.x, NOTE_WIDTH, rect.width);
    const top = into(y + this.pan.y, NOTE_HEIGHT, rect.height - TOOLBAR);
    this.panTo(left - x, top - y);
  }

  /** If no note can be seen although there are some, goes to the nearest. */
  findNotes(): void {
    const rect = this.viewport?.getBoundingClientRect();
    if (!rect) return;
    const notes = this.session.store.ids.map((id) => this.session.store.note(id) as Note);
    const distance = ({ x, y }: Note) => {
      const dx = Math.max(MARGIN - (x + this.pan.x + NOTE_WIDTH), x + this.pan.x - rect.width + MARGIN, 0);
      const dy = Math.max(MARGIN - (y + this.pan.y + NOTE_HEIGHT), y + this.pan.y - rect.height + MARGIN, 0);
      return dx * dx + dy * dy;
    };
    let nearest: Note | undefined;
    for (const note of notes) if (!nearest || distance(note) < distance(nearest)) nearest = note;
    if (nearest && distance(nearest) > 0) this.reveal(nearest.x, nearest.y);
  }

  /** Makes a note, in the middle or with its upper part under a point, and starts to write in it. */
  add(at?: { x: number; y: number }): void {
    const rect = this.viewport?.getBoundingClientRect();
    if (!rect) return;
    let { x, y } = at
      ? { x: at.x - NOTE_WIDTH / 2, y: at.y - 28 }
      : {
          x: rect.width / 2 - NOTE_WIDTH / 2 - this.pan.x,
          y: (rect.height - TOOLBAR) / 2 - NOTE_HEIGHT / 2 - this.pan.y,
        };
    const { store } = this.session;
    const taken = () =>
      store.ids.some((id) => {
        const note = store.note(id);
        return note && Math.abs(note.x - x) < 12 && Math.abs(note.y - y) < 12;
      });
    for (let i = 0; i < 20 && !at && taken(); i++) {
      x += 28;
      y += 28;
    }
    const id = this.session.create(x, y, this.color.get());
    if (!id) return;
    this.fresh = id;
    this.selected.set(id);
    this.session.editing.begin(id);
    const note = store.note(id);
    if (note) this.reveal(note.x, note.y);
  }

  element(id: string): HTMLElement | undefined {
    return this.viewport?.querySelector<HTMLElement>(`[data-note-id="${CSS.escape(id)}"]`) ?? undefined;
  }

  focus(id: string): void {
    this.element(id)?.focus({ preventScroll: true });
  }

  /** Deletes a note and gives the focus to its neighbour. */
  remove(id: string): void {
    const element = this.element(id);
    const hadFocus = element?.contains(document.activeElement) ?? false;
    const beside = (element?.nextElementSibling ?? element?.previousElementSibling) as HTMLElement | null;
    const neighbour = beside?.dataset.noteId;
    this.session.editing.end(id);
    this.session.remove(id);
    if (this.selected.get() === id) this.selected.set(undefined);
    if (!hadFocus) return;
    if (neighbour) this.focus(neighbour);
    else document.querySelector<HTMLElement>('[data-testid="add-note"]')?.focus();
  }
}
