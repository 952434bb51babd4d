// Notifications over the event stream.
//
// A browser opens at most six HTTP/1.1 connections to a server, and every open
// event stream is one of them: with a stream in each tab the seventh tab would not
// load. So one tab, the holder of a Web Lock, has the stream and passes its
// events on; when it goes, the next one takes over from the last id that it saw.
// Without Web Locks a tab has its own stream, only while it is visible.

import type { Notice } from './protocol.ts';
import { Stream } from './stream.ts';

export interface NoticeHandlers {
  notice(notice: Notice): void;
  /** What was shown so far has no continuation. */
  gap(): void;
}

const REMEMBERED_IDS = 500;

interface Passed {
  readonly type: 'notice' | 'gap' | 'live';
  readonly id: string;
  readonly data: string;
}

export class Notices {
  private readonly url: string;
  private readonly name: string;
  private readonly handlers: NoticeHandlers;
  private readonly seen = new Set<string>();
  private lastId: string | undefined;
  private stream: Stream | undefined;
  private channel: BroadcastChannel | undefined;
  private abort: AbortController | undefined;

  constructor(board: string, handlers: NoticeHandlers) {
    this.url = `/events/${encodeURIComponent(board)}`;
    this.name = `board-sse:${board}`;
    this.handlers = handlers;
  }

  start(): void {
    if (this.abort) return;
    this.abort = new AbortController();
    const { signal } = this.abort;
    if (!navigator.locks || typeof BroadcastChannel === 'undefined') {
      const follow = () => (document.visibilityState === 'visible' ? this.open() : this.close());
      document.addEventListener('visibilitychange', follow, { signal });
      follow();
      return;
    }
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = (event: MessageEvent<Passed>) => this.take(event.data);
    navigator.locks
      .request(this.name, { signal }, () => {
        if (signal.aborted) return;
        this.open();
        return new Promise<void>((release) => signal.addEventListener('abort', () => release()));
      })
      .catch(() => {
        // Stopped while it waited for its turn.
      });
  }

  stop(): void {
    this.close();
    this.abort?.abort();
    this.abort = undefined;
    this.channel?.close();
    this.channel = undefined;
  }

  private open(): void {
    if (this.stream) return;
    this.stream = new Stream(this.url, this.lastId);
    // `live` says nothing to the user: its id is where to go on if the stream is cut before the first notice.
    for (const type of ['notice', 'gap', 'live'] as const) {
      this.stream.addEventListener(type, (event: MessageEvent<string>) => {
        const passed: Passed = { type, id: event.lastEventId, data: event.data };
        this.channel?.postMessage(passed);
        this.take(passed);
      });
    }
  }

  private close(): void {
    this.stream?.close();
    this.stream = undefined;
  }

  private take({ type, id, data }: Passed): void {
    if (id) this.lastId = id;
    if (type === 'gap') {
      this.seen.clear();
      this.handlers.gap();
      return;
    }
    if (type === 'live') return;
    if (this.seen.has(id)) return;
    this.seen.add(id);
    if (this.seen.size > REMEMBERED_IDS) {
      const oldest = this.seen.values().next();
      if (!oldest.done) this.seen.delete(oldest.value);
    }
    let notice: Notice;
    try {
      notice = JSON.parse(data) as Notice;
    } catch {
      return;
    }
    this.handlers.notice(notice);
  }
}
