// What belongs to this window alone: which note is selected, the colour of the
// next one, and how far the canvas is moved.

import type { Color, Note } from '../lib/protocol.ts';
import type { Session } from '../lib/session.ts';
import { Signal } from '../lib/signal.ts';
import { freeSpot, NOTE_HEIGHT, NOTE_WIDTH, type Room } from '../lib/spot.ts';

const MARGIN = 24;

export class Desk {
  readonly selected = new Signal<string | undefined>(undefined);
  readonly color = new Signal<Color>('amber');
  /** A note that was made just now: leaving it empty with Escape removes it. */
  fresh: string | undefined;
  private readonly session: Session;
  private viewport: HTMLElement | undefined;
  private world: HTMLElement | undefined;
  private pan = { x: 0, y: 0 };

  constructor(session: Session) {
    this.session = session;
  }

  /** The part of the window that shows the board, and the layer with the notes in it. */
  attach(viewport: HTMLElement | null, world: HTMLElement | null): void {
    this.viewport = viewport ?? undefined;
    this.world = world ?? undefined;
    this.panTo(this.pan.x, this.pan.y);
  }

  get offset(): { readonly x: number; readonly y: number } {
    return this.pan;
  }

  /** Moves the canvas; written to the style directly, so that nothing renders for it. */
  panTo(x: number, y: number): void {
    this.pan = { x: Math.round(x), y: Math.round(y) };
    if (!this.viewport || !this.world) return;
    // Not by a custom property: every note would inherit it and be styled anew.
    this.viewport.style.backgroundPosition = `${this.pan.x}px ${this.pan.y}px`;
    this.world.style.transform = `translate(${this.pan.x}px, ${this.pan.y}px)`;
  }

  /** Board coordinates of a point of the window. */
  toBoard(clientX: number, clientY: number): { x: number; y: number } {
    const rect = this.viewport?.getBoundingClientRect();
    return { x: clientX - (rect?.left ?? 0) - this.pan.x, y: clientY - (rect?.top ?? 0) - this.pan.y };
  }

  /** The part of the board that can be seen, above the tool bar and with some margin. */
  private get room(): Room | undefined {
    const rect = this.viewport?.getBoundingClientRect();
    if (!rect) return undefined;
    const tools = document.querySelector('.toolbar')?.getBoundingClientRect();
    const [left, top] = [MARGIN - this.pan.x, MARGIN - this.pan.y];
    const height = (tools?.top ?? rect.bottom) - rect.top;
    return { left, top, right: left + rect.width - 2 * MARGIN, bottom: top + height - 2 * MARGIN };
  }

  private get notes(): Note[] {
    return this.session.store.ids.map((id) => this.session.store.note(id) as Note);
  }

  /** Moves the canvas as little as shows the place of a note whole. */
  reveal(x: number, y: number): void {
    const { room } = this;
    if (!room) return;
    const beyond = (at: number, from: number, to: number) => Math.min(0, at - from) || Math.max(0, at - to);
    const dx = beyond(x, room.left, Math.max(room.left, room.right - NOTE_WIDTH));
    const dy = beyond(y, room.top, Math.max(room.top, room.bottom - NOTE_HEIGHT));
    if (dx !== 0 || dy !== 0) this.panTo(this.pan.x - dx, this.pan.y - dy);
  }

  /** If no note can be seen although there are some, goes to the nearest. */
  findNotes(): void {
    const { room } = this;
    if (!room) return;
    const distance = ({ x, y }: Note) => {
      const dx = Math.max(room.left - (x + NOTE_WIDTH), x - room.right, 0);
      const dy = Math.max(room.top - (y + NOTE_HEIGHT), y - room.bottom, 0);
      return Math.hypot(dx, dy);
    };
    const [nearest] = this.notes.map((note) => ({ note, far: distance(note) })).sort((a, b) => a.far - b.far);
    if (nearest && nearest.far > 0) this.reveal(nearest.note.x, nearest.note.y);
  }

  /** Makes a note, with its upper part under a point or where there is room, and starts to write in it. */
  add(at?: { readonly x: number; readonly y: number }): void {
    const { room } = this;
    if (!room) return;
    const { x, y } = at ? { x: at.x - NOTE_WIDTH / 2, y: at.y - 28 } : freeSpot(room, this.notes);
    const id = this.session.create(x, y, this.color.get());
    if (!id) return;
    this.fresh = id;
    this.selected.set(id);
    this.session.editing.begin(id);
    this.reveal(x, y);
  }

  element(id: string): HTMLElement | undefined {
    return this.viewport?.querySelector<HTMLElement>(`[data-note-id="${CSS.escape(id)}"]`) ?? undefined;
  }

  focus(id: string): void {
    this.element(id)?.focus({ preventScroll: true });
  }

  /** Deletes a note. Who did it from within the note has the focus on its neighbour afterwards. */
  remove(id: string): void {
    const element = this.element(id);
    const within = element !== undefined && element === document.activeElement;
    const beside = (element?.nextElementSibling ?? element?.previousElementSibling) as HTMLElement | null;
    const neighbour = beside?.dataset.noteId;
    this.session.editing.end(id);
    this.session.remove(id);
    if (this.selected.get() === id) this.selected.set(undefined);
    if (!within) return;
    if (neighbour) this.focus(neighbour);
    else document.querySelector<HTMLElement>('[data-testid="add-note"]')?.focus();
  }

  /** Deletes the selected note without moving anything else: the pointer is elsewhere. */
  removeSelected(): void {
    const id = this.selected.get();
    if (id === undefined) return;
    this.element(id)?.blur();
    this.remove(id);
  }
}
