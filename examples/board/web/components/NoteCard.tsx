import { memo, useEffect, useLayoutEffect, useRef } from 'react';
import { excerpt } from '../lib/text.ts';
import { useBoard, useEntry, useSelect } from './context.ts';
import { NoteEditor } from './NoteEditor.tsx';

/** A pointer that moves less than this clicks. */
const THRESHOLD = 4;
const STEP = 8;
const FINE_STEP = 1;

const arrows: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** A note on its way, by pointer or by keys: shown at x, y, and one operation at the end. */
interface Lift {
  x: number;
  y: number;
  moved: boolean;
  readonly pointer?: {
    readonly id: number;
    readonly dx: number;
    readonly dy: number;
    readonly again: boolean;
  };
}

export const NoteCard = memo(function NoteCard({ id }: { id: string }) {
  const { session, desk } = useBoard();
  const entry = useEntry(id);
  const selected = useSelect(desk.selected, (value) => value === id);
  const editing = useSelect(session.editing.view, (draft) => draft?.id === id);
  const author = useSelect(session.people.me, (me) => (me.id === entry?.note.by ? 'you' : undefined));
  useSelect(session.people.others, (others) => others.find((user) => user.id === entry?.note.by)?.name);

  const element = useRef<HTMLElement>(null);
  const lift = useRef<Lift | undefined>(undefined);
  const frame = useRef(0);
  const x = entry?.note.x;
  const y = entry?.note.y;

  const write = (left: number, top: number) => {
    if (element.current) element.current.style.transform = `translate(${left}px, ${top}px)`;
  };
  // The place is written past React: during a drag it changes with every frame,
  // and what others do to the note meanwhile must not pull it from the pointer.
  useLayoutEffect(() => {
    if (x !== undefined && y !== undefined && !lift.current) {
      if (element.current) element.current.style.transform = `translate(${x}px, ${y}px)`;
    }
  }, [x, y]);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);

  if (!entry) return null;
  const { note, pending, layer } = entry;
  const person = session.people.user(note.by);
  const by = author ?? person?.name;

  const show = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      if (lift.current) write(lift.current.x, lift.current.y);
    });
  };
  /** Ends the way of the note: where it is now, or (undone) where it was. */
  const land = (undone = false) => {
    const from = lift.current;
    if (!from) return;
    lift.current = undefined;
    cancelAnimationFrame(frame.current);
    element.current?.removeAttribute('data-lifted');
    const now = session.store.note(id);
    if (undone || !from.moved) {
      if (now) write(now.x, now.y);
      return;
    }
    session.move(id, from.x, from.y);
    if (from.pointer) session.front(id);
    // Where it really lies: on whole pixels, on the board, or back if it could not be queued.
    const end = session.store.note(id);
    if (end) write(end.x, end.y);
  };
  const edit = () => {
    land();
    desk.selected.set(id);
    session.editing.begin(id);
  };

  const pointerDown = (event: React.PointerEvent<HTMLElement>) => {
    if (event.button !== 0 || (event.target as HTMLElement).closest('textarea, button')) return;
    land();
    const at = desk.toBoard(event.clientX, event.clientY);
    const again = desk.selected.get() === id && document.activeElement === element.current;
    lift.current = {
      x: note.x,
      y: note.y,
      moved: false,
      pointer: { id: event.pointerId, dx: at.x - note.x, dy: at.y - note.y, again },
    };
    event.currentTarget.setPointerCapture(event.pointerId);
    desk.selected.set(id);
  };
  const pointerMove = (event: React.PointerEvent<HTMLElement>) => {
    const { current } = lift;
    if (current?.pointer?.id !== event.pointerId) return;
    const at = desk.toBoard(event.clientX, event.clientY);
    const [left, top] = [at.x - current.pointer.dx, at.y - current.pointer.dy];
    if (!current.moved) {
      if (Math.hypot(left - note.x, top - note.y) < THRESHOLD) return;
      current.moved = true;
      element.current?.setAttribute('data-lifted', '');
    }
    current.x = left;
    current.y = top;
    show();
  };
  const pointerUp = (event: React.PointerEvent<HTMLElement>) => {
    const { current } = lift;
    if (current?.pointer?.id !== event.pointerId) return;
    land();
    if (current.moved) return;
    if (current.pointer.again) edit();
    else session.front(id);
  };

  const keyDown = (event: React.KeyboardEvent<HTMLElement>) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    if (arrow && !lift.current?.pointer) {
      const step = event.shiftKey ? FINE_STEP : STEP;
      lift.current ??= { x: note.x, y: note.y, moved: true };
      lift.current.x += arrow[0] * step;
      lift.current.y += arrow[1] * step;
      desk.reveal(lift.current.x, lift.current.y);
      show();
    } else if (event.key === 'Enter' || event.key === 'F2') {
      edit();
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      desk.remove(id);
    } else if (event.key === 'Escape') {
      if (lift.current) {
        land(true);
      } else {
        desk.selected.set(undefined);
        event.currentTarget.blur();
      }
    } else {
      return;
    }
    event.preventDefault();
  };

  return (
    <article
      ref={element}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: Tab reaches every note
      tabIndex={0}
      aria-label={`Note${by ? ` by ${by}` : ''}: ${excerpt(note.text, 80) || 'empty'}`}
      aria-describedby={editing ? undefined : 'note-keys'}
      className="note"
      style={{ zIndex: layer }}
      data-testid="note"
      data-note-id={id}
      data-color={note.color}
      data-pending={pending || undefined}
      data-selected={selected || undefined}
      data-editing={editing || undefined}
      onPointerDown={pointerDown}
      onPointerMove={pointerMove}
      onPointerUp={pointerUp}
      onPointerCancel={() => land(true)}
      onDoubleClick={edit}
      onKeyDown={keyDown}
      onKeyUp={(event) => event.key in arrows && !lift.current?.pointer && land()}
      onFocus={(event) => {
        if (event.target !== event.currentTarget) return;
        desk.selected.set(id);
        if (!lift.current) desk.reveal(note.x, note.y);
      }}
      onBlur={() => !lift.current?.pointer && land()}
    >
      {editing ? (
        <NoteEditor id={id} element={element} />
      ) : (
        <div className="note-text" dir="auto" data-testid="note-text">
          {note.text}
        </div>
      )}
      <footer className="note-foot">
        {person && (
          <span
            aria-hidden="true"
            className="note-dot"
            style={{ '--hue': person.hue } as React.CSSProperties}
          />
        )}
        <span className="truncate">{author ? 'You' : person?.name}</span>
      </footer>
    </article>
  );
});
