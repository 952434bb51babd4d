import { Avatars } from './Avatars.tsx';
import { Chip, ChipFace } from './Chip.tsx';
import { useBoard } from './context.ts';

function Bar({ name, children }: { name?: string; children?: React.ReactNode }) {
  return (
    <header className="bar">
      <h1 className="flex min-w-0 items-center gap-2.5">
        <svg aria-hidden="true" viewBox="0 0 24 24" className="size-6 shrink-0">
          <rect x="3" y="6" width="13" height="13" rx="3" className="fill-accent/35" />
          <rect x="8" y="3" width="13" height="13" rx="3" className="fill-accent" />
        </svg>
        <span className="truncate font-semibold text-[15px] tracking-[-0.01em] max-sm:sr-only">
          {name === undefined || name === 'main' ? 'Board' : name}
        </span>
      </h1>
      {children}
    </header>
  );
}

export function TopBar() {
  const { session } = useBoard();
  return (
    <Bar name={session.board}>
      <Chip />
      <Avatars />
    </Bar>
  );
}

/** What the page shows before its script runs. */
export function Skeleton() {
  return (
    <>
      <Bar>
        <div className="chip">
          <ChipFace chip={{ state: 'connecting', label: 'Connecting…' }} />
        </div>
      </Bar>
      <main className="canvas" aria-busy="true" />
    </>
  );
}
