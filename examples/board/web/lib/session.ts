// One page's session on a board: puts the store, the link, the outbox, the
// notifications and the people together, and offers what the user can do.

import { Editing } from './editing.ts';
import { Link, type LinkStatus, type Socket } from './link.ts';
import { Notices } from './notices.ts';
import { OutboxKeeper } from './outbox.ts';
import { People } from './people.ts';
import {
  type ClientMessage,
  Close,
  type Color,
  type Effect,
  MAX_PLACE,
  MAX_TEXT,
  type Note,
  type Op,
  type ServerMessage,
  type SetFields,
  type User,
  VERSION,
  type Welcome,
} from './protocol.ts';
import { newClientId, newNoteId } from './random.ts';
import { Signal } from './signal.ts';
import { Store } from './store.ts';
import { Tell } from './tell.ts';
import { clip } from './text.ts';
import { Toasts } from './toasts.ts';
import { cleanName, parseUser } from './user.ts';

const MAX_HEARD = 1000;

const after = (ms: number, run: () => void) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

/** A board's name from the address, or the board of the start page. */
export function boardName(search: URLSearchParams): string {
  const name = search.get('board') ?? '';
  return /^[a-z0-9-]{1,64}$/.test(name) ? name : 'main';
}

function place(value: number): number {
  return Math.max(-MAX_PLACE, Math.min(MAX_PLACE, Math.round(value)));
}

export class Session {
  readonly board: string;
  readonly store: Store;
  readonly people: People;
  readonly editing: Editing;
  readonly toasts: Toasts;
  readonly link: Signal<LinkStatus>;
  /** Whether the board's content is known: the first welcome has come. */
  readonly ready = new Signal(false);

  private readonly tell: Tell;
  private readonly connection: Link;
  private readonly outbox: OutboxKeeper;
  private readonly notices: Notices;
  private readonly saveUser: (user: User) => void;
  private readonly events = new AbortController();
  private present = false;
  /** Counts arrivals: one that was overtaken while it waited has no say. */
  private arrivals = 0;
  private readonly heard: Pick<Effect, 'pos' | 'client' | 'seq' | 'k' | 'id'>[] = [];

  constructor(board: string, user: User, saveUser: (user: User) => void) {
    this.board = board;
    this.saveUser = saveUser;
    this.people = new People(user);
    this.store = new Store({ client: newClientId(), user: () => this.people.me.get().id });
    this.toasts = new Toasts({ now: () => performance.now(), after });
    this.tell = new Tell(this.toasts, this.people, {
      restore: (id) => this.perform({ k: 'restore', id }),
      revive: (note, late) => this.revive(note, late),
      keepBoth: (id, text) => this.keepBoth(id, text),
    });
    this.editing = new Editing({
      store: this.store,
      set: (id, text, textRev) => this.perform({ k: 'set', id, f: { text }, textRev }),
      lost: (conflict) => this.tell.replaced(conflict),
    });
    const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/${board}`;
    this.connection = new Link(
      {
        open: (protocol) => new WebSocket(address, protocol) as Socket,
        now: () => performance.now(),
        after,
        random: Math.random,
      },
      {
        hello: () => this.hello(),
        welcome: (message) => this.welcome(message),
        message: (message) => this.receive(message),
        closed: (code) => this.closed(code),
        status: (status) => this.link.set(status),
      },
    );
    this.link = new Signal(this.connection.status);
    this.outbox = new OutboxKeeper(board, {
      storage: sessionStorage,
      locks: navigator.locks,
      newClientId,
    });
    this.notices = new Notices(board, {
      notice: (notice) => this.tell.announce(notice),
      gap: () => this.toasts.clearNotices(),
    });
    this.store.subscribeQueue(() => this.outbox.touch());
  }

  // ---- the page's life

  start(): void {
    const { signal } = this.events;
    const nudge = () => this.connection.nudge();
    addEventListener('online', nudge, { signal });
    addEventListener('offline', () => this.connection.check(), { signal });
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && nudge(), {
      signal,
    });
    // A page with open connections is kept from the back/forward cache or comes
    // back from it with dead ones: it lets go of them and takes them up again.
    addEventListener('pagehide', () => this.leave(), { signal });
    addEventListener('pageshow', () => this.arrive(), { signal });
    // Another tab of this browser changed the name.
    addEventListener('storage', (event) => this.meetMyself(event), { signal });
    addEventListener('beforeunload', (event) => this.warn(event), { signal });
    this.arrive();
  }

  stop(): void {
    this.events.abort();
    this.leave();
    this.toasts.stop();
  }

  private async arrive(): Promise<void> {
    if (this.present) return;
    this.present = true;
    const turn = ++this.arrivals;
    const known = this.store.saved.next;
    this.notices.start();
    const { client, saved } = await this.outbox.claim();
    if (!this.present || turn !== this.arrivals) return;
    // The user may have been quicker than the lock.
    const early = this.store.pending.filter((p) => p.seq >= known).map((p) => p.op);
    this.store.adopt(client, saved);
    this.outbox.keep(() => ({ client: this.store.client, saved: this.store.saved }));
    for (const op of early) this.store.perform(op);
    this.connection.start();
  }

  private leave(): void {
    if (!this.present) return;
    this.present = false;
    this.editing.flush();
    this.connection.stop();
    this.notices.stop();
    this.outbox.leave();
  }

  private warn(event: BeforeUnloadEvent): void {
    this.editing.flush();
    // What is pending survives a reload, but not the end of its tab.
    if (this.store.pending.length > 0 && !this.connection.live) event.preventDefault();
  }

  // ---- what the user does

  tryNow(): void {
    if (this.link.get().code === Close.version || this.link.get().code === Close.bad) location.reload();
    else this.connection.tryNow();
  }

  rename(name: string): void {
    const me = this.people.me.get();
    const clean = cleanName(name);
    if (!clean || clean === me.name) return;
    const user = { ...me, name: clean };
    this.people.me.set(user);
    this.saveUser(user);
    this.connection.again();
  }

  private meetMyself({ storageArea, newValue }: StorageEvent): void {
    const user = storageArea === localStorage ? parseUser(newValue) : undefined;
    const me = this.people.me.get();
    if (user?.id !== me.id || user.name === me.name) return;
    this.people.me.set(user);
    this.connection.again();
  }

  create(x: number, y: number, color: Color, text = ''): string | undefined {
    const id = newNoteId();
    const f = { x: place(x), y: place(y), color, text: clip(text, MAX_TEXT) };
    return this.perform({ k: 'create', id, f }) ? id : undefined;
  }

  move(id: string, x: number, y: number): void {
    const note = this.store.note(id);
    const f = { x: place(x), y: place(y) };
    if (note && (note.x !== f.x || note.y !== f.y)) this.perform({ k: 'set', id, f });
  }

  front(id: string): void {
    const note = this.store.note(id);
    if (note && note.z < this.store.topZ) this.perform({ k: 'front', id });
  }

  recolor(id: string, color: Color): void {
    const note = this.store.note(id);
    if (note && note.color !== color) this.perform({ k: 'set', id, f: { color } });
  }

  /** Deletes a note; the toast brings it back. `quietly`: it was never more than an empty new one. */
  remove(id: string, quietly = false): void {
    if (this.store.note(id) && this.perform({ k: 'delete', id }) && !quietly) this.tell.deleted(id);
  }

  /** Brings a note back together with the changes that came too late for it. */
  private revive(note: Note, late: SetFields): void {
    this.store.remember(note);
    if (!this.perform({ k: 'restore', id: note.id })) return;
    const textRev = late.text === undefined ? {} : { textRev: note.textRev };
    this.perform({ k: 'set', id: note.id, f: late, ...textRev });
  }

  /** Makes a note of its own of a text, beside the one that it was in. */
  private keepBoth(id: string, text: string): void {
    const note = this.store.note(id) ?? this.store.grave(id);
    this.create((note?.x ?? 80) + 28, (note?.y ?? 80) + 28, note?.color ?? 'amber', text);
  }

  private perform(op: Op): boolean {
    if (!this.store.perform(op)) {
      this.tell.full();
      return false;
    }
    this.flush();
    return true;
  }

  private flush(): void {
    if (!this.connection.live) return;
    for (const { seq, op } of this.store.takeUnsent()) this.connection.send({ t: 'op', seq, ...op });
  }

  // ---- what the server says

  private hello(): ClientMessage {
    const { client, pos, first } = this.store;
    const user = this.people.me.get();
    return { t: 'hello', v: VERSION, client, user, first, ...(pos !== undefined && { resume: pos }) };
  }

  private welcome(message: Welcome): boolean {
    const unknown = message.acked === null && this.store.first > 1;
    this.store.welcome(message);
    if (message.mode === 'delta') this.hear(message.ops);
    if (message.mode === 'snapshot' && message.reset === 'epoch') this.tell.reset();
    this.ready.set(true);
    if (unknown) {
      this.changeClient();
      return false;
    }
    this.flush();
    return true;
  }

  private receive(message: ServerMessage): void {
    switch (message.t) {
      case 'op':
        this.hear([message]);
        this.store.receive(message);
        break;
      case 'ack':
        this.store.ack(message.seq);
        break;
      case 'reject':
        this.tell.refused(this.store.reject(message), message);
        break;
      case 'conflict':
        if (!this.editing.conflicted(message)) this.tell.replaced(message);
        break;
      case 'peers':
        this.people.receive(message);
        break;
    }
  }

  private closed(code: number): void {
    if (code === Close.hole) {
      this.changeClient();
    } else if (code === Close.tooBig) {
      const client = newClientId();
      const dropped = this.store.dropOversized(client);
      if (!dropped) return;
      void this.outbox.change(client);
      this.tell.tooLarge(dropped);
    }
  }

  private changeClient(): void {
    const client = newClientId();
    this.store.renumber(client);
    void this.outbox.change(client);
  }

  private hear(effects: readonly Effect[]): void {
    for (const { pos, client, seq, k, id } of effects) this.heard.push({ pos, client, seq, k, id });
    if (this.heard.length > MAX_HEARD) this.heard.splice(0, this.heard.length - MAX_HEARD);
  }

  /** The operations that this page was told of, one by one and in a delta, the newest 1000; for tests. */
  log() {
    return this.heard;
  }

  /** What tests look at. */
  debug() {
    const byId = (a: Note, b: Note) => (a.id < b.id ? -1 : 1);
    const { store } = this;
    const whole = ({ id, x, y, z, color, text, textRev, by, at }: Note): Note => {
      return { id, x, y, z, color, text, textRev, by, at };
    };
    return {
      confirmed: [...store.confirmed.values()].map(whole).sort(byId),
      view: store.ids.map((id) => whole(store.note(id) as Note)).sort(byId),
      pending: store.pending.map(({ seq, op }) => ({ seq, ...op })),
      pos: store.pos,
      link: this.link.get().state,
      client: store.client,
      user: this.people.me.get(),
    };
  }
}
