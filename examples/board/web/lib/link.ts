// The connection manager: keeps one WebSocket to the board alive and says how it is.
//
//   idle -> connecting -> syncing (hello sent, welcome under way) -> live -> stale -> waiting -> connecting
//                                                   \-> leaving (bye) ----^
//   idle:    not wanted now (before the start, or while the page is hidden away)
//   stale:   nothing was heard for hb; a ping is on its way, and 5 s to answer it
//   stopped: the server said something that trying again does not mend, so only
//            the user gets it out of there
//
// What to send and what a message means is the owner's business (LinkOwner); the
// clock and the socket come from outside, so that tests need neither.

import { Arrival } from './arrival.ts';
import { Backoff } from './backoff.ts';
import {
  type ClientMessage,
  Close,
  decode,
  encode,
  PROTOCOL,
  type ServerMessage,
  type Welcome,
  type WelcomeHead,
} from './protocol.ts';

export type LinkState =
  | 'idle'
  | 'connecting'
  | 'syncing'
  | 'live'
  | 'stale'
  | 'leaving'
  | 'waiting'
  | 'stopped';

export interface LinkStatus {
  readonly state: LinkState;
  /** When the next attempt is due, while waiting. */
  readonly retryAt?: number;
  /** Whether the board was reached before. */
  readonly wasLive: boolean;
  /** Attempts that failed since the board was last reached. */
  readonly failures: number;
  /** The server said that it restarts, and is expected back. */
  readonly restarting: boolean;
  /** The close code of the connection that ended last. */
  readonly code?: number;
}

export interface LinkOwner {
  hello(): ClientMessage;
  /** False: the server does not know this client; a new one was made, say hello again on a new connection. */
  welcome(message: Welcome): boolean;
  message(message: ServerMessage): void;
  /** The connection ended for a reason that concerns the operations (Close.tooBig, Close.hole). */
  closed(code: number): void;
  status(status: LinkStatus): void;
}

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

export interface LinkEnv {
  open(protocol: string): Socket;
  now(): number;
  after(ms: number, run: () => void): () => void;
  random(): number;
}

/** From the first attempt to the welcome, and from one part of the welcome to the next. */
const CONNECT_TIMEOUT = 10_000;
/** For the answer to a ping, and for the close after a bye. */
const ANSWER_TIMEOUT = 5_000;
/** How long after a bye the board counts as restarting. */
const RESTART_PATIENCE = 15_000;
/** A connection that was too slow so soon after its start waits its turn. */
const TOO_SOON = 5_000;

export class Link {
  private readonly env: LinkEnv;
  private readonly owner: LinkOwner;
  private readonly backoff: Backoff;

  private state: LinkState = 'idle';
  private socket: Socket | undefined;
  /** The one timer: what it is for follows from the state. */
  private cancelTimer: () => void = () => {};
  private retryAt: number | undefined;
  private wasLive = false;
  private failures = 0;
  private restartingUntil = 0;
  private byeRetry: { due: number } | undefined;
  private code: number | undefined;
  private liveSince: number | undefined;
  private heardAt = 0;
  private hb = 15_000;
  private pings = 0;
  private saidAt = 0;
  /** The welcome, while it is under way. */
  private arrival: Arrival | undefined;

  constructor(env: LinkEnv, owner: LinkOwner) {
    this.env = env;
    this.owner = owner;
    this.backoff = new Backoff({ random: env.random });
  }

  get status(): LinkStatus {
    const { state, retryAt, wasLive, failures, code } = this;
    const restarting = this.restartingUntil > this.env.now();
    return {
      state,
      wasLive,
      failures,
      restarting,
      ...(retryAt !== undefined && { retryAt }),
      ...(code !== undefined && { code }),
    };
  }

  get live(): boolean {
    return this.state === 'live' || this.state === 'stale';
  }

  /** Wants the connection. */
  start(): void {
    if (this.state === 'idle') this.connect();
  }

  /** Wants it no longer: the page is hidden away or left. */
  stop(): void {
    if (this.state === 'stopped') return;
    this.discard(Close.hidden);
    this.liveSince = undefined;
    this.enter('idle');
  }

  /** The user asks to try. */
  tryNow(): void {
    if (this.state === 'stopped') this.connect();
    else this.nudge();
  }

  /** Something suggests that it may work now: the network is back, the page is shown. */
  nudge(): void {
    if (this.state === 'waiting') this.connect();
    else this.check();
  }

  /** Something suggests that it may not work any more: asks for a sign of life now. */
  check(): void {
    if (this.live) this.ask();
  }

  /** The hello changed (a new name): says it again on a new connection. */
  again(): void {
    if (this.state === 'idle' || this.state === 'stopped') return;
    this.discard(1000);
    this.liveSince = undefined;
    this.connect();
  }

  /** Sends if the board is reached; false leaves it to the resend after the next welcome. */
  send(message: ClientMessage): boolean {
    if (!this.live) return false;
    this.socket?.send(encode(message));
    return true;
  }

  private connect(): void {
    this.cancelTimer();
    this.retryAt = undefined;
    this.byeRetry = undefined;
    let socket: Socket;
    try {
      socket = this.env.open(PROTOCOL);
    } catch {
      // The browser refused the address: no other attempt will do better soon.
      this.wait(this.backoff.next());
      return;
    }
    this.socket = socket;
    socket.onopen = () => {
      this.enter('syncing');
      this.saidAt = this.env.now();
      socket.send(encode(this.owner.hello()));
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => this.lost(event.code);
    this.enter('connecting');
    this.cancelTimer = this.env.after(CONNECT_TIMEOUT, () => this.drop());
  }

  private receive(data: unknown): void {
    this.heardAt = this.env.now();
    if (this.state === 'stale') {
      this.enter('live');
      this.watch();
    }
    const message = decode(data);
    if (!message) return;
    switch (message.t) {
      case 'ping':
        this.socket?.send(encode({ t: 'pong', n: message.n }));
        return;
      case 'pong':
        return;
      case 'bye':
        this.leave(message.retry);
        return;
      case 'welcome':
        if (this.state === 'syncing') this.greet(message);
        return;
      case 'rows':
        if (!this.arrival) return;
        this.arrival.add(message);
        this.await();
        return;
      case 'live':
        if (this.arrival) this.arrive(this.arrival, message.pos);
        return;
      default:
        if (this.arrival) this.arrival.held.push(message);
        else this.owner.message(message);
    }
  }

  private greet(head: WelcomeHead): void {
    this.hb = Math.max(1000, head.hb);
    this.arrival = new Arrival(head);
    this.await();
  }

  /** Waits for the next part of the welcome. Its pings may lie behind a lot of it: says that it is there unasked. */
  private await(): void {
    this.cancelTimer();
    this.cancelTimer = this.env.after(CONNECT_TIMEOUT, () => this.drop());
    if (this.env.now() - this.saidAt < this.hb / 2) return;
    this.saidAt = this.env.now();
    this.socket?.send(encode({ t: 'ping', n: ++this.pings }));
  }

  private arrive(arrival: Arrival, pos: string): void {
    this.arrival = undefined;
    this.wasLive = true;
    this.failures = 0;
    this.restartingUntil = 0;
    this.code = undefined;
    this.liveSince = this.env.now();
    // The owner sends what is pending from within welcome, so the way is open before.
    this.state = 'live';
    if (!this.owner.welcome(arrival.whole(pos))) {
      this.discard(1000);
      this.liveSince = undefined;
      this.wait(this.backoff.next());
      return;
    }
    this.watch();
    this.enter('live');
    for (const message of arrival.held) this.owner.message(message);
  }

  /** Looks again when hb will have passed in silence. */
  private watch(): void {
    this.cancelTimer();
    const silence = this.env.now() - this.heardAt;
    if (silence >= this.hb) {
      this.ask();
      return;
    }
    this.cancelTimer = this.env.after(this.hb - silence, () => this.watch());
  }

  private ask(): void {
    if (this.state === 'stale') return;
    this.cancelTimer();
    this.enter('stale');
    this.socket?.send(encode({ t: 'ping', n: ++this.pings }));
    this.cancelTimer = this.env.after(ANSWER_TIMEOUT, () => this.drop());
  }

  private leave(retry: number): void {
    this.arrival = undefined;
    const wait = Math.min(Math.max(0, retry), 60_000);
    this.byeRetry = { due: this.env.now() + wait };
    this.restartingUntil = this.byeRetry.due + RESTART_PATIENCE;
    this.cancelTimer();
    this.enter('leaving');
    this.cancelTimer = this.env.after(ANSWER_TIMEOUT, () => this.drop());
  }

  /** Gives up on a connection that does not answer; its close event may never come. */
  private drop(): void {
    this.discard(Close.silent);
    this.lost(Close.silent);
  }

  private discard(code: number): void {
    this.cancelTimer();
    this.arrival = undefined;
    this.retryAt = undefined;
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code);
  }

  private lost(code: number): void {
    this.cancelTimer();
    this.arrival = undefined;
    this.socket = undefined;
    this.code = code;
    const lived = this.liveSince === undefined ? 0 : this.env.now() - this.liveSince;
    if (this.liveSince === undefined) this.failures++;
    this.liveSince = undefined;
    this.backoff.ended(lived);

    switch (code) {
      case Close.bad:
      case Close.version:
      case Close.replaced:
        this.enter('stopped');
        return;
      case Close.tooBig:
      case Close.hole:
        this.owner.closed(code);
        break;
      case Close.slow:
        if (lived >= TOO_SOON) {
          this.connect();
          return;
        }
        break;
      case Close.restart:
        this.restartingUntil = Math.max(this.restartingUntil, this.env.now() + RESTART_PATIENCE);
        break;
    }
    this.wait(this.byeRetry ? this.byeRetry.due - this.env.now() : this.backoff.next());
  }

  private wait(delay: number): void {
    this.byeRetry = undefined;
    const ms = Math.max(0, delay);
    this.retryAt = this.env.now() + ms;
    this.enter('waiting');
    this.cancelTimer = this.env.after(ms, () => this.connect());
  }

  private enter(state: LinkState): void {
    this.state = state;
    this.owner.status(this.status);
  }
}
