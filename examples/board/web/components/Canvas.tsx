import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import type { Store } from '../lib/store.ts';
import { useBoard, useIds, useSelect, useSignal } from './context.ts';
import { EmptyState } from './EmptyState.tsx';
import { NoteCard } from './NoteCard.tsx';

/** Notes whose tops lie this close count as one line. */
const LINE = 80;

function readingOrder(store: Store): string[] {
  const key = (id: string) => {
    const note = store.note(id);
    return { id, line: Math.round((note?.y ?? 0) / LINE), x: note?.x ?? 0 };
  };
  return store.ids
    .map(key)
    .sort((a, b) => a.line - b.line || a.x - b.x || (a.id < b.id ? -1 : 1))
    .map(({ id }) => id);
}

/**
 * The notes in the order in which Tab reaches them. Moving an element in the
 * document takes its focus away, so while the focus is among the notes their
 * order stays, and new ones come last.
 */
function useOrder(world: React.RefObject<HTMLDivElement | null>): readonly string[] {
  const { store } = useBoard().session;
  const ids = useIds();
  const [order, setOrder] = useState<readonly string[]>(() => readingOrder(store));

  useLayoutEffect(() => {
    if (!world.current?.contains(document.activeElement)) {
      setOrder(readingOrder(store));
      return;
    }
    setOrder((before) => {
      const there = new Set(ids);
      const known = new Set(before);
      return [...before.filter((id) => there.has(id)), ...ids.filter((id) => !known.has(id))];
    });
  }, [store, ids, world]);

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.key !== 'Tab' || world.current?.contains(document.activeElement)) return;
      flushSync(() => setOrder(readingOrder(store)));
    };
    addEventListener('keydown', key, true);
    return () => removeEventListener('keydown', key, true);
  }, [store, world]);

  return order;
}

export function Canvas() {
  const { session, desk } = useBoard();
  const world = useRef<HTMLDivElement>(null);
  const order = useOrder(world);
  const ready = useSignal(session.ready);
  const empty = useIds().length === 0;
  const editing = useSelect(session.editing.view, (draft) => draft !== undefined);
  const pan = useRef<{ pointer: number; x: number; y: number; moved: boolean } | undefined>(undefined);

  const attach = useCallback(
    (element: HTMLElement | null) => {
      desk.attach(element, world.current);
      if (!element) return;
      const wheel = (event: WheelEvent) => {
        const text = (event.target as HTMLElement).closest('.note-text');
        if (event.ctrlKey || (text && text.scrollHeight > text.clientHeight)) return;
        event.preventDefault();
        const unit = event.deltaMode === 1 ? 16 : 1;
        const [dx, dy] =
          event.shiftKey && event.deltaX === 0 ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
        desk.panTo(desk.offset.x - dx * unit, desk.offset.y - dy * unit);
      };
      // Not through React, whose wheel listeners are passive.
      element.addEventListener('wheel', wheel, { passive: false });
      // A keyboard came up, or the window was turned: what is being written or
      // selected stays in sight, or else at least one note.
      const resized = new ResizeObserver(() => {
        const id = session.editing.view.get()?.id ?? desk.selected.get();
        const note = id === undefined ? undefined : session.store.note(id);
        if (note) desk.reveal(note.x, note.y);
        else desk.findNotes();
      });
      resized.observe(element);
      return () => {
        resized.disconnect();
        element.removeEventListener('wheel', wheel);
        desk.attach(null, null);
      };
    },
    [desk, session],
  );

  useEffect(() => {
    if (ready) desk.findNotes();
  }, [ready, desk]);

  const isBackground = (event: React.SyntheticEvent) =>
    event.target === event.currentTarget || event.target === world.current;
  return (
    // The pointer's ways; the keyboard has its own to add, reach and move notes.
    <main
      ref={attach}
      className="canvas"
      aria-busy={!ready}
      data-editing={editing || undefined}
      onPointerDown={(event) => {
        if (!isBackground(event) || event.button > 1) return;
        pan.current = {
          pointer: event.pointerId,
          x: event.clientX - desk.offset.x,
          y: event.clientY - desk.offset.y,
          moved: false,
        };
        desk.selected.set(undefined);
      }}
      onPointerMove={(event) => {
        const from = pan.current;
        if (from?.pointer !== event.pointerId) return;
        const [x, y] = [event.clientX - from.x, event.clientY - from.y];
        if (!from.moved && Math.hypot(x - desk.offset.x, y - desk.offset.y) < 4) return;
        if (!from.moved) {
          from.moved = true;
          event.currentTarget.setPointerCapture(event.pointerId);
        }
        desk.panTo(x, y);
      }}
      onPointerUp={() => {
        pan.current = undefined;
      }}
      onPointerCancel={() => {
        pan.current = undefined;
      }}
      onDoubleClick={(event) => {
        if (isBackground(event)) desk.add(desk.toBoard(event.clientX, event.clientY));
      }}
    >
      <p id="note-keys" hidden>
        Enter to edit, arrow keys to move, Delete to delete
      </p>
      <div ref={world} className="world">
        {order.map((id) => (
          <NoteCard key={id} id={id} />
        ))}
      </div>
      {ready && empty && <EmptyState />}
    </main>
  );
}
