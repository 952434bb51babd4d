import { useBoard } from './context.ts';

export function EmptyState() {
  const { desk } = useBoard();
  return (
    <div className="empty" data-testid="empty-state">
      <svg aria-hidden="true" viewBox="0 0 120 84" className="mb-5 h-21 w-30">
        <rect
          x="14"
          y="20"
          width="50"
          height="46"
          rx="7"
          data-color="sky"
          className="paper"
          transform="rotate(-8 39 43)"
        />
        <rect
          x="56"
          y="18"
          width="50"
          height="46"
          rx="7"
          data-color="rose"
          className="paper"
          transform="rotate(7 81 41)"
        />
        <rect x="35" y="14" width="50" height="46" rx="7" data-color="amber" className="paper" />
        <path d="M45 29h30M45 38h24M45 47h16" className="stroke paper-line" />
      </svg>
      <h2 className="font-semibold text-lg tracking-[-0.01em]">Nothing here yet</h2>
      <p className="mt-1 max-w-72 text-[14px] text-muted">
        Put down the first thought. Everybody on this board sees it at once.
      </p>
      <button type="button" className="button button-large mt-5" onClick={() => desk.add()}>
        Add a note
      </button>
      <p className="mt-3 text-[13px] text-muted max-sm:hidden">
        or press <kbd>N</kbd>, or double-click anywhere
      </p>
    </div>
  );
}
