// The messages of PROTOCOL.md, as types, and the two ways across the wire.

export const PROTOCOL = 'board.v1';
export const VERSION = 1;

/** The largest message that the server reads, in bytes of UTF-8. */
export const MAX_MESSAGE = 16 * 1024;
/** The longest text of a note, in code points. */
export const MAX_TEXT = 2000;
/** No coordinate lies beyond this, in either direction. */
export const MAX_PLACE = 100_000;

export const COLORS = ['amber', 'rose', 'sky', 'mint', 'lilac', 'stone'] as const;
export type Color = (typeof COLORS)[number];

export interface User {
  readonly id: string;
  readonly name: string;
  readonly hue: number;
}

export interface Note {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly color: Color;
  readonly text: string;
  readonly textRev: number;
  readonly by: string;
  readonly at: number;
}

export interface CreateFields {
  readonly x: number;
  readonly y: number;
  readonly color: Color;
  readonly text: string;
}

/** What a `set` changes: a place has both coordinates, a text the revision that its author saw. */
export interface SetFields {
  readonly x?: number;
  readonly y?: number;
  readonly color?: Color;
  readonly text?: string;
}

export type Op =
  | { readonly k: 'create'; readonly id: string; readonly f: CreateFields }
  | { readonly k: 'set'; readonly id: string; readonly f: SetFields; readonly textRev?: number }
  | { readonly k: 'front'; readonly id: string }
  | { readonly k: 'delete'; readonly id: string }
  | { readonly k: 'restore'; readonly id: string };

/** An operation that took effect, as everybody is told of it. */
export interface Effect {
  readonly t: 'op';
  readonly pos: string;
  readonly client: string;
  readonly seq: number;
  readonly by: string;
  readonly at: number;
  readonly k: Op['k'];
  readonly id: string;
  readonly f?: Partial<Note>;
}

export type RejectCode = 'gone' | 'exists' | 'too_long' | 'limit' | 'invalid' | 'forbidden';

export interface Reject {
  readonly t: 'reject';
  readonly seq: number;
  readonly code: RejectCode;
  readonly note?: Note;
  readonly by?: string;
}

export interface Conflict {
  readonly t: 'conflict';
  readonly seq: number;
  readonly id: string;
  readonly lost: string;
  readonly winner: string;
}

/** How a welcome begins; rows follow, and live ends it. */
export interface WelcomeHead {
  readonly t: 'welcome';
  readonly v: number;
  readonly mode: 'snapshot' | 'delta';
  readonly reset?: 'epoch' | 'trimmed' | 'fork';
  /** The client's last operation that was dealt with; null if the server does not know the client. */
  readonly acked: number | null;
  /** Milliseconds of silence after which a side asks for a sign of life. */
  readonly hb: number;
  readonly limits: { readonly text: number; readonly notes: number; readonly opsPerSec: number };
}

/** A part of the board, or of what was missed. */
export interface Rows {
  readonly t: 'rows';
  readonly notes?: readonly Note[];
  readonly ops?: readonly Effect[];
}

export interface Live {
  readonly t: 'live';
  readonly pos: string;
}

/** A welcome as a whole: all of its messages put together. */
export type Welcome = Omit<WelcomeHead, 'mode' | 'reset'> & { readonly pos: string } & (
    | { readonly mode: 'snapshot'; readonly reset?: WelcomeHead['reset']; readonly notes: readonly Note[] }
    | { readonly mode: 'delta'; readonly ops: readonly Effect[] }
  );

export interface Peers {
  readonly t: 'peers';
  readonly reset?: boolean;
  readonly join: readonly User[];
  readonly leave: readonly string[];
}

export type ServerMessage =
  | WelcomeHead
  | Rows
  | Live
  | Effect
  | { readonly t: 'ack'; readonly seq: number }
  | Reject
  | Conflict
  | Peers
  | { readonly t: 'ping'; readonly n: number }
  | { readonly t: 'pong'; readonly n: number }
  | { readonly t: 'bye'; readonly code: string; readonly retry: number };

export type ClientMessage =
  | {
      readonly t: 'hello';
      readonly v: number;
      readonly client: string;
      readonly user: User;
      readonly resume?: string;
      readonly first: number;
    }
  | ({ readonly t: 'op'; readonly seq: number } & Op)
  | { readonly t: 'ping'; readonly n: number }
  | { readonly t: 'pong'; readonly n: number };

export interface Notice {
  readonly kind: 'created' | 'edited' | 'deleted' | 'restored' | 'joined' | 'left';
  readonly by: User;
  readonly note?: string;
  readonly text?: string;
  readonly at: number;
}

/** Close codes of PROTOCOL.md §4. */
export const Close = {
  tooBig: 1009,
  restart: 1012,
  bad: 4000,
  hidden: 4001,
  slow: 4002,
  version: 4003,
  replaced: 4005,
  silent: 4008,
  hole: 4009,
} as const;

const kinds = new Set([
  'welcome',
  'rows',
  'live',
  'op',
  'ack',
  'reject',
  'conflict',
  'peers',
  'ping',
  'pong',
  'bye',
]);

/** The message in a frame, or undefined for one that this version does not know. */
export function decode(data: unknown): ServerMessage | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    const message: unknown = JSON.parse(data);
    if (typeof message !== 'object' || message === null || !('t' in message)) return undefined;
    return kinds.has(message.t as string) ? (message as ServerMessage) : undefined;
  } catch {
    return undefined;
  }
}

export function encode(message: ClientMessage): string {
  return JSON.stringify(message);
}

const utf8 = new TextEncoder();

/** The size of a message on the wire. */
export function messageSize(message: ClientMessage): number {
  return utf8.encode(encode(message)).length;
}
