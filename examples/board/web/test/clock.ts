// A clock that a test moves by hand.

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class Clock {
  private time = 0;
  private timers: Timer[] = [];

  readonly now = (): number => this.time;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  /** How long until the next timer, or undefined if none is set. */
  get next(): number | undefined {
    return this.timers.length > 0 ? Math.min(...this.timers.map(({ at }) => at)) - this.time : undefined;
  }

  get count(): number {
    return this.timers.length;
  }

  pass(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.run();
    }
    this.time = until;
  }
}
