// The outbox: what was not answered survives a reload of its tab.
//
// It lies in sessionStorage, which belongs to a tab. Duplicating a tab copies it,
// and two pages with one client id would have each other's operations taken for
// repetitions. So a page uses an outbox only while it holds the Web Lock of that
// client id; one that cannot get it starts with an empty outbox and a new id, for
// the holder will send what is in there.
//
// Without Web Locks (plain http in a local network) the outbox lies in the
// storage only between two pages: it is taken out when a page starts and put back
// when it goes, so there is nothing to copy while the page lives.

import type { Saved } from './store.ts';

export interface Outbox {
  readonly client: string;
  readonly saved: Saved | undefined;
}

interface Record_ extends Saved {
  readonly v: 1;
  readonly client: string;
}

export interface OutboxEnv {
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;
  readonly locks: LockManager | undefined;
  newClientId(): string;
}

/** How long the page that was there before gets to let go of its lock. */
const HANDOVER = 1000;

export class OutboxKeeper {
  private readonly key: string;
  private readonly env: OutboxEnv;
  private release: (() => void) | undefined;
  private due = false;
  /** Odd while the page is here; a claim is good as long as it stays the same. */
  private life = 0;
  private source: (() => { client: string; saved: Saved }) | undefined;

  constructor(board: string, env: OutboxEnv) {
    this.key = `board-outbox:${board}`;
    this.env = env;
  }

  /** Takes the tab's outbox, or a new one if another page has it. */
  async claim(): Promise<Outbox> {
    if (this.life % 2 === 0) this.life++;
    const found = this.read();
    if (found && (await this.lock(found.client))) {
      if (!this.env.locks) this.env.storage?.removeItem(this.key);
      return { client: found.client, saved: found };
    }
    const client = this.env.newClientId();
    await this.lock(client);
    return { client, saved: undefined };
  }

  /** Holds a new client id from now on. */
  async change(client: string): Promise<void> {
    this.release?.();
    this.release = undefined;
    await this.lock(client);
  }

  /** Whence the outbox is written. */
  keep(source: () => { client: string; saved: Saved }): void {
    this.source = source;
  }

  /** Something changed: writes once the present task is done. */
  touch(): void {
    if (this.due || !this.env.locks) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      this.write();
    });
  }

  /** The page goes: writes now and lets go. */
  leave(): void {
    this.write();
    if (this.life % 2 === 1) this.life++;
    this.source = undefined;
    this.release?.();
    this.release = undefined;
  }

  private write(): void {
    if (!this.source) return;
    const { client, saved } = this.source();
    const record: Record_ = { v: 1, client, ...saved };
    try {
      this.env.storage?.setItem(this.key, JSON.stringify(record));
    } catch {
      // Storage is full or switched off: the outbox lasts as long as the page. An
      // earlier one must not be taken up again: its numbers have been used since.
      this.forget();
    }
  }

  private forget(): void {
    try {
      this.env.storage?.removeItem(this.key);
    } catch {
      // Nothing was there, then.
    }
  }

  private read(): Record_ | undefined {
    try {
      const record = JSON.parse(this.env.storage?.getItem(this.key) ?? 'null') as Record_ | null;
      const whole =
        record?.v === 1 &&
        /^c_[0-9a-f]{32}$/.test(record.client) &&
        Number.isSafeInteger(record.next) &&
        Array.isArray(record.pending) &&
        Array.isArray(record.asked);
      return whole ? record : undefined;
    } catch {
      return undefined;
    }
  }

  /** Holds the lock of a client id until released; false if another page holds it. */
  private lock(client: string): Promise<boolean> {
    const locks = this.env.locks;
    if (!locks) return Promise.resolve(true);
    const { life } = this;
    return new Promise((resolve) => {
      const patience = new AbortController();
      const timer = setTimeout(() => patience.abort(), HANDOVER);
      locks
        .request(`board-client:${client}`, { signal: patience.signal }, () => {
          clearTimeout(timer);
          if (life % 2 === 0 || life !== this.life) {
            resolve(false);
            return;
          }
          return new Promise<void>((release) => {
            this.release = release;
            resolve(true);
          });
        })
        .catch(() => resolve(false));
    });
  }
}
