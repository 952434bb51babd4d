// The board as this page knows it: what the server confirmed, the operations it
// has not answered yet, and the view, which is the one with the others on top.
//
// The rules (PROTOCOL.md §2 and §3):
//   - An operation changes the view at once and waits in `pending` for its answer.
//   - The own echo is the acknowledgement: it moves the change from pending to
//     confirmed, so the view stays as it is unless the server corrected a value.
//   - Others' effects change confirmed; what is pending stays on top of them.
//   - What was sent is never touched again: (client, seq) names one content for
//     ever, so that the server may answer a repetition without doing it twice.
//
// There is no React here, no socket and no clock but the one given.

import { applyEffect, type Pending, predict, sameNote, sameRegisters } from './fold.ts';
import {
  type Effect,
  MAX_MESSAGE,
  messageSize,
  type Note,
  type Op,
  type Reject,
  type Welcome,
} from './protocol.ts';

/** More than this is not queued: the page tells the user instead. */
export const MAX_PENDING = 1000;
/** Contents of deleted notes that are kept for a restore without waiting. */
const MAX_GRAVES = 1000;

/** What a note looks like; a new object whenever something of it changed. */
export interface Entry {
  readonly note: Note;
  readonly pending: boolean;
  /** The stacking order without ties, for z-index. */
  readonly layer: number;
}

export interface StoreOptions {
  readonly client: string;
  readonly user: () => string;
  readonly now?: () => number;
}

/** What must survive a reload. */
export interface Saved {
  readonly next: number;
  /** The highest number that was ever put on a connection. */
  readonly sent: number;
  readonly pending: readonly Pending[];
  readonly asked: readonly Pending[];
}

const TIES = 16;

export class Store {
  client: string;
  /** The position of `confirmed`; undefined before the first welcome. */
  pos: string | undefined;
  readonly confirmed = new Map<string, Note>();

  private readonly user: () => string;
  private readonly now: () => number;
  private queue: Pending[] = [];
  private nextSeq = 1;
  /** The highest number ever sent: what is at or below it is frozen. */
  private frozen = 0;
  /** The highest number sent on the present connection. */
  private sent = 0;
  /** Acknowledged by a welcome, but with an outcome that is unknown: asked for again. */
  private asked: Pending[] = [];
  private readonly graves = new Map<string, Note>();

  private readonly view = new Map<string, Entry>();
  private readonly byZ = new Map<number, string[]>();
  private idList: readonly string[] = [];
  private top = 0;
  private readonly noteListeners = new Map<string, Set<() => void>>();
  private readonly listListeners = new Set<() => void>();
  private readonly queueListeners = new Set<() => void>();

  constructor(options: StoreOptions) {
    this.client = options.client;
    this.user = options.user;
    this.now = options.now ?? Date.now;
  }

  // ---- reading

  get pending(): readonly Pending[] {
    return this.queue;
  }

  /** The first operation without an answer, or else the next: `first` of the hello. */
  get first(): number {
    return this.asked[0]?.seq ?? this.queue[0]?.seq ?? this.nextSeq;
  }

  get saved(): Saved {
    return { next: this.nextSeq, sent: this.frozen, pending: this.queue, asked: this.asked };
  }

  /** The ids of the notes in the view; a new array whenever one came or went. */
  get ids(): readonly string[] {
    return this.idList;
  }

  entry(id: string): Entry | undefined {
    return this.view.get(id);
  }

  note(id: string): Note | undefined {
    return this.view.get(id)?.note;
  }

  /** The highest stacking order in the view. */
  get topZ(): number {
    return this.top;
  }

  /** The last content of a note that is gone. */
  grave(id: string): Note | undefined {
    return this.graves.get(id);
  }

  subscribeNote(id: string, listener: () => void): () => void {
    const set = this.noteListeners.get(id) ?? new Set();
    this.noteListeners.set(id, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.noteListeners.delete(id);
    };
  }

  subscribeIds(listener: () => void): () => void {
    this.listListeners.add(listener);
    return () => this.listListeners.delete(listener);
  }

  /** Told when the pending operations changed. */
  subscribeQueue(listener: () => void): () => void {
    this.queueListeners.add(listener);
    return () => this.queueListeners.delete(listener);
  }

  // ---- the user's side

  /** Does an operation in the view and queues it. False: the queue is full or the message too large. */
  perform(op: Op): boolean {
    const last = this.queue.at(-1);
    if (last && last.seq > this.frozen && sameRegisters(last.op, op)) return this.merge(last, op);
    if (this.queue.length >= MAX_PENDING) return false;
    const seq = this.nextSeq;
    if (messageSize({ t: 'op', seq, ...op }) > MAX_MESSAGE) return false;

    const raises = op.k === 'create' || op.k === 'front';
    const ghost = op.k === 'restore' ? this.graves.get(op.id) : undefined;
    if (op.k === 'delete') this.bury(op.id, this.note(op.id));
    this.queue.push({ seq, op, at: this.now(), ...(raises && { z: this.top + 1 }), ...(ghost && { ghost }) });
    this.nextSeq++;
    this.rebuild(op.id);
    this.tellQueue();
    return true;
  }

  /** Takes over the content of a note that the server remembers and this page does not. */
  remember(note: Note): void {
    this.bury(note.id, note);
  }

  /** What has not been sent on this connection yet, marked as sent. */
  takeUnsent(): Pending[] {
    const unsent = this.queue.filter((p) => p.seq > this.sent);
    const questions = this.sent === 0 ? this.asked : [];
    this.sent = Math.max(this.sent, unsent.at(-1)?.seq ?? 0, questions.at(-1)?.seq ?? 0);
    this.frozen = Math.max(this.frozen, this.sent);
    return [...questions, ...unsent];
  }

  /** Takes over the outbox of this tab, in place of what is queued here. */
  adopt(client: string, saved: Saved | undefined): void {
    this.client = client;
    this.queue = [...(saved?.pending ?? [])];
    this.asked = [...(saved?.asked ?? [])];
    this.nextSeq = saved?.next ?? 1;
    this.frozen = saved?.sent ?? 0;
    this.sent = 0;
    this.rebuildAll();
    this.tellQueue();
  }

  /** A new client id: what is pending is numbered from 1 and was never sent. */
  renumber(client: string): void {
    this.client = client;
    this.queue = this.queue.map((p, i) => ({ ...p, seq: i + 1 }));
    this.asked = [];
    this.nextSeq = this.queue.length + 1;
    this.frozen = 0;
    this.sent = 0;
    this.tellQueue();
  }

  // ---- the server's side

  welcome(message: Welcome): void {
    if (message.mode === 'snapshot') {
      this.confirmed.clear();
      if (message.reset === 'epoch') this.graves.clear();
      for (const note of message.notes) this.confirmed.set(note.id, note);
    } else {
      for (const effect of message.ops) this.apply(effect);
    }
    this.pos = message.pos;
    this.sent = 0;
    const acked = message.acked ?? 0;
    // An acknowledged operation was dealt with, but a refusal that came while the
    // line was down was missed. Where no effect is to be seen the answer is asked
    // for once more (the server repeats it, without effect): nothing typed is lost.
    const dropped = this.queue.filter((p) => p.seq <= acked);
    const effects = new Set<number>();
    if (message.mode === 'delta') {
      for (const { client, seq } of message.ops) if (client === this.client) effects.add(seq);
    }
    for (const p of dropped) {
      const matters = p.op.k === 'create' || p.op.k === 'set' || p.op.k === 'restore';
      if (matters && !effects.has(p.seq)) this.asked.push(p);
    }
    this.queue = this.queue.slice(dropped.length);
    // A server that knows more of this client than the page does: go on behind it.
    if (acked >= this.nextSeq && this.queue.length === 0) this.nextSeq = acked + 1;
    this.rebuildAll();
    this.tellQueue();
  }

  receive(effect: Effect): void {
    const touched = new Set([effect.id]);
    this.apply(effect);
    this.pos = effect.pos;
    if (effect.client === this.client) this.settle(effect.seq, touched);
    for (const id of touched) this.rebuild(id);
    if (effect.client === this.client) this.tellQueue();
  }

  ack(seq: number): void {
    const touched = new Set<string>();
    this.settle(seq, touched);
    for (const id of touched) this.rebuild(id);
    this.tellQueue();
  }

  /** Drops what was refused and returns it. */
  reject(message: Reject): Pending | undefined {
    const refused = [...this.asked, ...this.queue].find((p) => p.seq === message.seq);
    this.ack(message.seq);
    if (message.note) this.bury(message.note.id, message.note);
    return refused;
  }

  /** Drops the first operation whose message the server would not read; the rest needs a new client id. */
  dropOversized(client: string): Pending | undefined {
    const i = this.queue.findIndex((p) => messageSize({ t: 'op', seq: p.seq, ...p.op }) > MAX_MESSAGE);
    const [dropped] = i < 0 ? [] : this.queue.splice(i, 1);
    if (dropped) {
      this.renumber(client);
      this.rebuild(dropped.op.id);
    }
    return dropped;
  }

  // ---- inside

  private merge(last: Pending, op: Op): boolean {
    if (last.op.k !== 'set' || op.k !== 'set') return false;
    // The revision stays the first one's: what lies between was never on the server.
    const merged: Pending = { ...last, op: { ...last.op, f: op.f } };
    if (messageSize({ t: 'op', seq: merged.seq, ...merged.op }) > MAX_MESSAGE) return false;
    this.queue[this.queue.length - 1] = merged;
    this.rebuild(op.id);
    this.tellQueue();
    return true;
  }

  private apply(effect: Effect): void {
    const before = this.confirmed.get(effect.id);
    const after = applyEffect(before, effect);
    if (after) {
      this.confirmed.set(effect.id, after);
      this.graves.delete(effect.id);
    } else {
      this.confirmed.delete(effect.id);
      this.bury(effect.id, before);
    }
  }

  private settle(seq: number, touched: Set<string>): void {
    for (const p of this.queue) if (p.seq <= seq) touched.add(p.op.id);
    this.queue = this.queue.filter((p) => p.seq > seq);
    this.asked = this.asked.filter((p) => p.seq > seq);
  }

  private bury(id: string, note: Note | undefined): void {
    if (!note) return;
    this.graves.delete(id);
    this.graves.set(id, note);
    if (this.graves.size > MAX_GRAVES) {
      const oldest = this.graves.keys().next();
      if (!oldest.done) this.graves.delete(oldest.value);
    }
  }

  private rebuildAll(): void {
    const ids = new Set([...this.confirmed.keys(), ...this.view.keys(), ...this.queue.map((p) => p.op.id)]);
    const ops = new Map<string, Pending[]>();
    for (const p of this.queue) ops.set(p.op.id, [...(ops.get(p.op.id) ?? []), p]);
    for (const id of ids) this.rebuild(id, ops.get(id) ?? []);
  }

  private rebuild(id: string, ops = this.queue.filter((p) => p.op.id === id)): void {
    let note = this.confirmed.get(id);
    const user = this.user();
    for (const p of ops) note = predict(note, p, user);
    const before = this.view.get(id);
    const pending = ops.length > 0;
    if (before && note && before.pending === pending && sameNote(before.note, note)) return;
    if (!before && !note) return;

    if (note) this.view.set(id, { note, pending, layer: before?.layer ?? note.z * TIES });
    else this.view.delete(id);
    if (before?.note.z !== note?.z) this.restack(id, before?.note.z, note?.z);
    this.tell(id);
    if (!before !== !note) {
      this.idList = [...this.view.keys()];
      for (const listener of [...this.listListeners]) listener();
    }
  }

  /** Keeps `layer` free of ties: notes of one z lie in the order of their ids. */
  private restack(id: string, from: number | undefined, to: number | undefined): void {
    if (from !== undefined) {
      const left = (this.byZ.get(from) ?? []).filter((other) => other !== id);
      if (left.length > 0) this.byZ.set(from, left);
      else this.byZ.delete(from);
    }
    if (to !== undefined) this.byZ.set(to, [...(this.byZ.get(to) ?? []), id].sort());
    for (const z of [from, to]) {
      if (z === undefined) continue;
      this.byZ.get(z)?.forEach((member, i) => {
        const entry = this.view.get(member);
        const layer = z * TIES + Math.min(i, TIES - 1);
        if (!entry || entry.layer === layer) return;
        this.view.set(member, { ...entry, layer });
        if (member !== id) this.tell(member);
      });
    }
    if (to !== undefined && to >= this.top) this.top = to;
    else if (from === this.top) this.top = Math.max(0, ...this.byZ.keys());
  }

  private tell(id: string): void {
    for (const listener of [...(this.noteListeners.get(id) ?? [])]) listener();
  }

  private tellQueue(): void {
    for (const listener of [...this.queueListeners]) listener();
  }
}
