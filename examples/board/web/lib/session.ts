// One page's session on a board: puts the store, the link, the outbox, the
// notifications and the people together, and offers what the user can do.

import { copyText } from './clipboard.ts';
import { Editing } from './editing.ts';
import { Link, type LinkStatus, type Socket } from './link.ts';
import { Notices } from './notices.ts';
import { OutboxKeeper } from './outbox.ts';
import { People } from './people.ts';
import {
  type ClientMessage,
  Close,
  type Color,
  type Conflict,
  MAX_PLACE,
  MAX_TEXT,
  type Note,
  type Notice,
  type Op,
  type Reject,
  type ServerMessage,
  type User,
  VERSION,
  type Welcome,
} from './protocol.ts';
import { newClientId, newNoteId } from './random.ts';
import { Signal } from './signal.ts';
import { Store } from './store.ts';
import { clip, excerpt } from './text.ts';
import { Toasts } from './toasts.ts';
import { cleanName, parseUser } from './user.ts';

const UNDO_LIFE = 8_000;

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

  private readonly connection: Link;
  private readonly outbox: OutboxKeeper;
  private readonly notices: Notices;
  private readonly saveUser: (user: User) => void;
  private readonly events = new AbortController();
  private present = false;

  constructor(board: string, user: User, saveUser: (user: User) => void) {
    this.board = board;
    this.saveUser = saveUser;
    this.people = new People(user);
    this.store = new Store({ client: newClientId(), user: () => this.people.me.get().id });
    this.toasts = new Toasts({ now: () => performance.now(), after });
    this.editing = new Editing({
      store: this.store,
      set: (id, text, textRev) => this.perform({ k: 'set', id, f: { text }, textRev }),
      lost: (conflict) => this.offerBoth(conflict),
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
      notice: (notice) => this.announce(notice),
      gap: () => this.toasts.clearNotices(),
    });
    this.store.subscribeQueue(() => this.outbox.touch());
  }

  // ---- the page's life

  start(): void {
    const { signal } = this.events;
    const tryNow = () => this.connection.tryNow();
    addEventListener('online', tryNow, { signal });
    addEventListener('offline', () => this.connection.check(), { signal });
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && tryNow(), {
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
    const known = this.store.saved.next;
    this.notices.start();
    const { client, saved } = await this.outbox.claim();
    if (!this.present) return;
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
    if (!this.store.note(id) || !this.perform({ k: 'delete', id }) || quietly) return;
    this.toasts.show({
      key: `undo:${id}`,
      text: 'Note deleted',
      life: UNDO_LIFE,
      actions: [{ label: 'Undo', run: () => this.perform({ k: 'restore', id }) }],
    });
  }

  private perform(op: Op): boolean {
    if (!this.store.perform(op)) {
      this.toasts.show({
        key: 'full',
        text: 'Too many unsent changes. Wait until the board is connected again.',
      });
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
    if (message.mode === 'snapshot' && message.reset === 'epoch') {
      this.toasts.clearNotices();
      this.toasts.show({ key: 'reset', text: 'The board was reset' });
    }
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
        this.store.receive(message);
        break;
      case 'ack':
        this.store.ack(message.seq);
        break;
      case 'reject':
        this.refused(message);
        break;
      case 'conflict':
        if (!this.editing.conflicted(message)) this.offerBoth(message);
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
      this.toasts.show({ text: 'A change was too large for the board and was dropped.' });
    }
  }

  private changeClient(): void {
    const client = newClientId();
    this.store.renumber(client);
    void this.outbox.change(client);
  }

  private refused(message: Reject): void {
    const refused = this.store.reject(message);
    if (!refused || refused.op.k === 'front' || refused.op.k === 'delete') return;
    const { op } = refused;
    const fields = op.k === 'restore' ? {} : op.f;
    const content = message.note ?? refused.ghost;
    const text = fields.text ?? content?.text ?? '';
    const copy = { label: 'Copy text', run: () => this.copy(text) };
    const key = `refused:${op.id}`;

    if (message.code === 'gone' && message.note && op.k === 'set') {
      const who = message.by === this.people.me.get().id ? undefined : this.people.user(message.by);
      this.toasts.show({
        key,
        text: who ? `${who.name} deleted this note` : 'This note was deleted',
        ...(who && { hue: who.hue }),
        life: Number.POSITIVE_INFINITY,
        actions: [
          { label: 'Restore', run: () => this.revive(message.note as Note, op) },
          ...(text ? [copy] : []),
        ],
      });
      return;
    }
    if (message.code === 'exists' && this.store.note(op.id)?.text === text) return;
    const said: Record<Reject['code'], string> = {
      gone: 'This note is no longer there',
      exists: 'Another note has taken this place',
      too_long: 'The text is too long for a note',
      limit: 'The board is full: delete a note first',
      invalid: 'The board refused a change',
      forbidden: 'The board refused a change',
    };
    this.toasts.show({
      key,
      text: said[message.code] ?? said.invalid,
      ...(text && { life: Number.POSITIVE_INFINITY, actions: [copy] }),
    });
  }

  private revive(note: Note, refused: Extract<Op, { k: 'set' }>): void {
    this.store.remember(note);
    if (!this.perform({ k: 'restore', id: note.id })) return;
    this.perform(refused.f.text === undefined ? refused : { ...refused, textRev: note.textRev });
  }

  private offerBoth({ id, lost, winner, seq }: Conflict): void {
    const who = this.people.user(winner);
    this.toasts.show({
      key: `conflict:${id}:${seq}`,
      text: `${who?.name ?? 'Somebody'} replaced your text “${excerpt(lost, 40)}”`,
      ...(who && { hue: who.hue }),
      life: Number.POSITIVE_INFINITY,
      actions: [
        { label: 'Keep both', run: () => this.keepBoth(id, lost) },
        { label: 'Copy text', run: () => this.copy(lost) },
      ],
    });
  }

  private keepBoth(id: string, lost: string): void {
    const note = this.store.note(id) ?? this.store.grave(id);
    this.create((note?.x ?? 80) + 28, (note?.y ?? 80) + 28, note?.color ?? 'amber', lost);
  }

  private async copy(text: string): Promise<void> {
    const done = await copyText(text);
    this.toasts.show({ key: 'copied', text: done ? 'Text copied' : 'The browser did not allow copying' });
  }

  private announce({ kind, by, text, note }: Notice): void {
    this.people.meet(by);
    if (by.id === this.people.me.get().id) return;
    const what = text ? `“${excerpt(text, 40)}”` : 'a note';
    const said: Record<Notice['kind'], string> = {
      created: `${by.name} added ${what}`,
      edited: `${by.name} edited ${what}`,
      deleted: `${by.name} deleted ${what}`,
      restored: `${by.name} restored ${what}`,
      joined: `${by.name} joined`,
      left: `${by.name} left`,
    };
    if (!said[kind]) return;
    const about = note ? `note:${note}:${by.id}` : `person:${by.id}`;
    this.toasts.show({ key: about, text: said[kind], hue: by.hue });
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
