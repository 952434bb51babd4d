// The event stream: reconnecting-eventsource over event-source-polyfill, which
// together resume, notice a silent stream and recover from a 503. What they lack
// is added here.

import { EventSourcePolyfill } from 'event-source-polyfill';
import ReconnectingEventSource from 'reconnecting-eventsource';

/** The server writes a comment every 15 s; a stream that is silent for two of them is dead. */
const HEARTBEAT_TIMEOUT = 35_000;
const FIRST_RETRY = 1_000;
const MAX_RETRY = 30_000;

/**
 * How the polyfill reads. Its own way leaves a rejected promise behind when a
 * stream that failed is closed.
 */
class FetchTransport {
  open(
    _xhr: unknown,
    onStart: (status: number, text: string, type: string | null, headers: Headers) => void,
    onProgress: (chunk: string) => void,
    onFinish: (error?: unknown) => void,
    url: string,
    withCredentials: boolean,
    headers: Record<string, string>,
  ): { abort(): void } {
    const controller = new AbortController();
    const { signal } = controller;
    const credentials = withCredentials ? 'include' : 'same-origin';
    const read = async () => {
      const response = await fetch(url, { headers, credentials, signal, cache: 'no-store' });
      onStart(response.status, response.statusText, response.headers.get('Content-Type'), response.headers);
      const decoder = new TextDecoder();
      const reader = response.body?.getReader();
      for (;;) {
        const chunk = await reader?.read();
        if (!chunk || chunk.done) return;
        onProgress(decoder.decode(chunk.value, { stream: true }));
      }
    };
    // However it ended: the stream is to be opened again, unless it was closed.
    const finish = () => onFinish();
    read().then(finish, finish);
    return { abort: () => controller.abort() };
  }
}

/**
 * A stream with a ceiling that doubles. As it comes, reconnecting-eventsource waits
 * a random time below a fixed ceiling, leaves network errors to the inner source's
 * own schedule, which has no jitter, and does not see the id of an event that is no
 * native MessageEvent, which those of the polyfill are not.
 */
export class Stream extends ReconnectingEventSource {
  constructor(url: string, lastEventId: string | undefined) {
    super(url, {
      max_retry_time: FIRST_RETRY,
      eventSourceClass: EventSourcePolyfill as unknown as typeof EventSource,
      // These two go through to the polyfill.
      ...({ heartbeatTimeout: HEARTBEAT_TIMEOUT, Transport: FetchTransport } as object),
      ...(lastEventId !== undefined && { lastEventId }),
    });
  }

  override _onopen(event: Event): void {
    this.ceiling = FIRST_RETRY;
    super._onopen(event);
  }

  override _onerror(event: Event): void {
    this._eventSource?.close();
    super._onerror(event);
    this.ceiling = Math.min(MAX_RETRY, this.max_retry_time * 2);
  }

  override _onevent(event: Event): void {
    const { lastEventId } = event as MessageEvent;
    if (lastEventId) this._lastEventId = lastEventId;
    super._onevent(event);
  }

  private set ceiling(ms: number) {
    (this as { max_retry_time: number }).max_retry_time = ms;
  }
}
