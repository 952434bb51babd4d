import { useEffect, useRef, useState } from 'react';
import type { User } from '../lib/protocol.ts';
import { initials } from '../lib/text.ts';
import { MAX_NAME } from '../lib/user.ts';
import { useBoard, useSelect, useSignal } from './context.ts';

const SHOWN = 5;

function Face({ user }: { user: User }) {
  return (
    <span className="face" style={{ '--hue': user.hue } as React.CSSProperties}>
      {initials(user.name)}
    </span>
  );
}

export function Avatars() {
  const { session } = useBoard();
  const me = useSignal(session.people.me);
  const others = useSignal(session.people.others);
  const here = useSelect(session.link, ({ state }) => state === 'live' || state === 'stale');
  const shown = others.slice(0, SHOWN - 1);
  const more = others.slice(SHOWN - 1);
  return (
    <ul className="avatars" aria-label="People on this board" data-stale={!here || undefined}>
      <Me user={me} />
      {shown.map((user) => (
        <li key={user.id} data-testid="avatar" data-user-id={user.id} title={user.name}>
          <Face user={user} />
          <span className="sr-only">{user.name}</span>
        </li>
      ))}
      {more.length > 0 && (
        <li title={more.map((user) => user.name).join(', ')} data-testid="avatars-more">
          <span className="face face-more">+{more.length}</span>
          <span className="sr-only">more people</span>
        </li>
      )}
    </ul>
  );
}

function Me({ user }: { user: User }) {
  const { session } = useBoard();
  const [open, setOpen] = useState(false);
  const item = useRef<HTMLLIElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return;
    input.current?.select();
    const outside = (event: PointerEvent) => {
      if (!item.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', outside);
    return () => removeEventListener('pointerdown', outside);
  }, [open]);

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <li ref={item} className="relative" data-testid="avatar" data-user-id={user.id}>
      <button
        ref={button}
        type="button"
        className="me"
        title={`${user.name} (you)`}
        aria-label={`${user.name}, you. Change your name`}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Face user={user} />
      </button>
      {open && (
        <form
          className="popover"
          onSubmit={(event) => {
            event.preventDefault();
            session.rename(input.current?.value ?? '');
            close();
          }}
          onKeyDown={(event) => event.key === 'Escape' && close()}
        >
          <label htmlFor="name" className="font-medium text-[13px]">
            Your name
          </label>
          <div className="mt-1.5 flex gap-2">
            <input
              ref={input}
              id="name"
              defaultValue={user.name}
              maxLength={MAX_NAME}
              autoComplete="off"
              className="field"
            />
            <button type="submit" className="button">
              Save
            </button>
          </div>
        </form>
      )}
    </li>
  );
}
