import { useEffect, useRef } from 'react';
import { MAX_TEXT } from '../lib/protocol.ts';
import { clip, codePoints } from '../lib/text.ts';
import { useBoard, useSignal } from './context.ts';

/** From here on the length is shown. */
const COUNT_FROM = 1800;

interface Props {
  readonly id: string;
  readonly element: React.RefObject<HTMLElement | null>;
}

export function NoteEditor({ id, element }: Props) {
  const { session, desk } = useBoard();
  const draft = useSignal(session.editing.view);
  const area = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    const { current } = area;
    current?.focus({ preventScroll: true });
    current?.setSelectionRange(current.value.length, current.value.length);
  }, []);

  if (draft?.id !== id) return null;
  const { text, theirs } = draft;
  const length = text.length < COUNT_FROM ? 0 : codePoints(text);

  const leave = () => {
    const empty = text === '' && desk.fresh === id;
    element.current?.focus({ preventScroll: true });
    session.editing.end(id);
    desk.fresh = undefined;
    if (!empty) return;
    session.remove(id, true);
    desk.selected.set(undefined);
    document.querySelector<HTMLElement>('[data-testid="add-note"]')?.focus();
  };
  const decide = (choice: () => void) => () => {
    choice();
    area.current?.focus({ preventScroll: true });
  };
  return (
    <>
      <textarea
        ref={area}
        className="note-text"
        data-testid="note-text"
        aria-label="Text of the note"
        placeholder="Write something…"
        dir="auto"
        spellCheck
        value={text}
        onChange={({ target: { value } }) => {
          session.editing.input(codePoints(value) > MAX_TEXT ? clip(value, MAX_TEXT) : value);
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === 'Escape' || (event.key === 'Enter' && (event.ctrlKey || event.metaKey))) {
            event.preventDefault();
            event.stopPropagation();
            leave();
          }
        }}
        onBlur={(event) => {
          // The window lost the focus, or a button of this note has it: editing goes on.
          if (document.activeElement === event.currentTarget) session.editing.flush();
          else if (!element.current?.contains(event.relatedTarget)) {
            session.editing.end(id);
            desk.fresh = undefined;
          }
        }}
      />
      {length >= COUNT_FROM && (
        <span className="note-count" role="status">
          {length} of {MAX_TEXT}
        </span>
      )}
      {theirs && (
        <div className="theirs" role="alert" data-testid="theirs">
          <span>Changed by {session.people.name(theirs.by)}</span>
          <span className="flex">
            <button type="button" onClick={decide(() => session.editing.take())}>
              Take theirs
            </button>
            <button type="button" onClick={decide(() => session.editing.keep())}>
              Keep mine
            </button>
          </span>
        </div>
      )}
    </>
  );
}
