// The queue of toasts. Few are shown at once; what the user may have to act on goes
// before what only tells. Time stands still while the pointer or the focus is on
// them.

export interface ToastAction {
  readonly label: string;
  run(): void;
}

export interface ToastInput {
  /** A toast with the same key replaces the earlier one. */
  readonly key?: string;
  readonly text: string;
  /** The person it is about, for the coloured mark. */
  readonly hue?: number;
  readonly actions?: readonly ToastAction[];
  /** Milliseconds; Infinity stays until it is dismissed. */
  readonly life?: number;
}

export interface Toast extends ToastInput {
  readonly id: number;
}

export interface ToastView {
  readonly shown: readonly Toast[];
  readonly more: number;
}

export interface ToastClock {
  now(): number;
  after(ms: number, run: () => void): () => void;
}

const LIFE = 6_000;
/** Beyond this the oldest that only tell are let go; the count of the rest says that there were many. */
const MAX = 50;

interface Held {
  toast: Toast;
  left: number;
}

export class Toasts {
  private readonly clock: ToastClock;
  private shownAtOnce = 3;
  private held: Held[] = [];
  private ids = 0;
  private paused = false;
  private since = 0;
  private cancel: () => void = () => {};
  private readonly listeners = new Set<() => void>();
  private current: ToastView = { shown: [], more: 0 };

  constructor(clock: ToastClock) {
    this.clock = clock;
  }

  get view(): ToastView {
    return this.current;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** How many are shown at once. */
  set room(toasts: number) {
    if (toasts === this.shownAtOnce) return;
    this.shownAtOnce = toasts;
    this.update();
  }

  /** Whether there is one whose key begins so. */
  has(prefix: string): boolean {
    return this.held.some((h) => h.toast.key?.startsWith(prefix));
  }

  show(input: ToastInput): number {
    this.spend();
    const toast: Toast = { ...input, id: ++this.ids };
    if (input.key) this.held = this.held.filter((h) => h.toast.key !== input.key);
    this.held.push({ toast, left: input.life ?? LIFE });
    if (this.held.length > MAX) {
      const i = this.held.findIndex((h) => !h.toast.actions);
      this.held.splice(Math.max(0, i), 1);
    }
    this.update();
    return toast.id;
  }

  dismiss(id: number): void {
    this.drop(({ toast }) => toast.id === id);
  }

  withdraw(key: string): void {
    this.drop(({ toast }) => toast.key === key);
  }

  /** Drops those that only tell. */
  clearNotices(): void {
    this.drop(({ toast }) => !toast.actions);
  }

  pause(): void {
    if (this.paused) return;
    this.spend();
    this.paused = true;
    this.update();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.since = this.clock.now();
    this.update();
  }

  stop(): void {
    this.cancel();
    this.held = [];
  }

  private drop(which: (held: Held) => boolean): void {
    this.spend();
    this.held = this.held.filter((h) => !which(h));
    this.update();
  }

  /** Takes the time that passed off what is left, and lets go of what has none. */
  private spend(): void {
    const now = this.clock.now();
    const passed = this.paused ? 0 : now - this.since;
    this.since = now;
    for (const h of this.held) h.left -= passed;
    this.held = this.held.filter((h) => h.left > 0);
  }

  private update(): void {
    this.cancel();
    const acting = this.held.filter((h) => h.toast.actions);
    const telling = this.held.filter((h) => !h.toast.actions);
    const chosen = [...acting.reverse(), ...telling.reverse()].slice(0, this.shownAtOnce).map((h) => h.toast);
    const shown = chosen.sort((a, b) => a.id - b.id);
    const more = this.held.length - shown.length;
    const same =
      more === this.current.more &&
      shown.length === this.current.shown.length &&
      shown.every((toast, i) => toast === this.current.shown[i]);
    if (!same) {
      this.current = { shown, more };
      for (const listener of [...this.listeners]) listener();
    }
    const next = Math.min(...this.held.map((h) => h.left));
    if (this.paused || !Number.isFinite(next)) return;
    this.cancel = this.clock.after(next, () => {
      this.spend();
      this.update();
    });
  }
}
