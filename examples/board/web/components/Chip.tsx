import { useEffect, useRef, useState } from 'react';
import { type Chip as ChipValue, chip, type Saving } from '../lib/chip.ts';
import { useBoard, useSignal, useUnsent } from './context.ts';

const titles: Partial<Record<ChipValue['state'], string>> = {
  connected: 'Connected to the board',
  stopped: 'Connect here again',
};

const SLOW = 400;
const SAVED_FOR = 2000;

/** Whether what was done is being saved, told only if it takes long enough to wonder. */
function useSaving(unsent: number, live: boolean): Saving {
  const [value, setValue] = useState<Saving>({ saving: false, saved: false });
  const worth = useRef(false);
  const any = unsent > 0;
  useEffect(() => {
    if (any) {
      if (!live) worth.current = true;
      const timer = setTimeout(() => {
        worth.current = true;
        setValue({ saving: true, saved: false });
      }, SLOW);
      return () => clearTimeout(timer);
    }
    const saved = worth.current && live;
    worth.current = false;
    setValue({ saving: false, saved });
    if (!saved) return;
    const timer = setTimeout(() => setValue({ saving: false, saved: false }), SAVED_FOR);
    return () => clearTimeout(timer);
  }, [any, live]);
  return value;
}

function useNow(running: boolean): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!running) return;
    setNow(performance.now());
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [running]);
  return running ? Math.max(now, 0) : performance.now();
}

export function ChipFace({ chip: { state, label, retryIn, trying, unsent } }: { chip: ChipValue }) {
  return (
    <span className="chip-face" data-state={state}>
      <span aria-hidden="true" className="chip-dot" />
      <span className="truncate">
        {label}
        {retryIn !== undefined && (
          // It changes every second: to be seen, not to be read out.
          <span aria-hidden="true">
            {' · '}
            <span className="max-sm:hidden">retry in </span>
            {retryIn} s
          </span>
        )}
        {trying && <span aria-hidden="true"> · trying now</span>}
        {unsent !== undefined && ` · ${unsent} unsent`}
      </span>
    </span>
  );
}

export function Chip() {
  const { session } = useBoard();
  const status = useSignal(session.link);
  const unsent = useUnsent();
  const saving = useSaving(unsent, status.state === 'live' || status.state === 'stale');
  const now = useNow(status.state === 'waiting');
  const value = chip(status, unsent, saving, now);
  return (
    <div role="status" data-testid="chip" data-state={value.state} data-unsent={unsent} className="min-w-0">
      <button
        type="button"
        className="chip"
        title={titles[value.state] ?? 'Try now'}
        onClick={() => session.tryNow()}
      >
        <ChipFace chip={value} />
      </button>
    </div>
  );
}
