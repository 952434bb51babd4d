import { useEffect, useRef } from 'react';
import { COLORS, type Color } from '../lib/protocol.ts';
import { useBoard, useEntry, useSignal } from './context.ts';

const names: Record<Color, string> = {
  amber: 'Amber',
  rose: 'Rose',
  sky: 'Sky',
  mint: 'Mint',
  lilac: 'Lilac',
  stone: 'Stone',
};

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, [contenteditable]') !== null;
}

/** The pointer must not take the focus from a text that is being written. */
const keepFocus = (event: React.PointerEvent | React.MouseEvent) => event.preventDefault();

export function Toolbar() {
  const { session, desk } = useBoard();
  const add = useRef<HTMLButtonElement>(null);
  const selected = useSignal(desk.selected);
  const next = useSignal(desk.color);
  const entry = useEntry(selected ?? '');
  const current = entry?.note.color ?? next;

  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.defaultPrevented || isTyping(event.target)) return;
      if (event.key.toLowerCase() === 'n') {
        event.preventDefault();
        desk.add();
      } else if (event.key === 'Delete' && document.activeElement === document.body) {
        desk.removeSelected();
      }
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [desk]);

  const choose = (color: Color) => {
    desk.color.set(color);
    if (selected && entry) session.recolor(selected, color);
  };
  return (
    <section aria-label="Tools" className="toolbar">
      <button
        ref={add}
        type="button"
        data-testid="add-note"
        className="tool tool-add"
        title="New note (N)"
        aria-keyshortcuts="n"
        onMouseDown={keepFocus}
        onClick={() => desk.add()}
      >
        <svg aria-hidden="true" viewBox="0 0 20 20" className="size-5">
          <path d="M10 4v12M4 10h12" className="stroke" />
        </svg>
        New note
      </button>
      <fieldset className="swatches">
        <legend className="sr-only">
          {entry ? 'Colour of the selected note' : 'Colour of the next note'}
        </legend>
        {COLORS.map((color) => (
          <button
            key={color}
            type="button"
            data-testid={`color-${color}`}
            data-color={color}
            className="tool swatch"
            title={names[color]}
            aria-label={names[color]}
            aria-pressed={color === current}
            onMouseDown={keepFocus}
            onClick={() => choose(color)}
          />
        ))}
      </fieldset>
      <button
        type="button"
        data-testid="delete-note"
        className="tool tool-delete"
        title="Delete the selected note (Delete)"
        aria-label="Delete the selected note"
        disabled={!entry}
        onMouseDown={keepFocus}
        onClick={(event) => {
          // Reached by key: it is about to be disabled, which would leave the focus nowhere.
          const focused = document.activeElement === event.currentTarget;
          desk.removeSelected();
          if (focused) add.current?.focus();
        }}
      >
        <svg aria-hidden="true" viewBox="0 0 20 20" className="size-5">
          <path d="M4 6h12M8 6V4h4v2M6 6l.6 10h6.8L14 6M8.5 9v4.5M11.5 9v4.5" className="stroke" />
        </svg>
      </button>
    </section>
  );
}
