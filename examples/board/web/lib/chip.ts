// What the connection chip says.

import type { LinkStatus } from './link.ts';
import { Close } from './protocol.ts';

export interface Chip {
  readonly state: 'connecting' | 'connected' | 'offline' | 'restarting' | 'stopped';
  readonly label: string;
  /** Seconds to the next attempt; shown but not announced. */
  readonly retryIn?: number;
  /** An attempt is under way. */
  readonly trying?: boolean;
  readonly unsent?: number;
}

export interface Saving {
  /** Something has been waiting for its answer for a while. */
  readonly saving: boolean;
  /** What was waiting has just been answered. */
  readonly saved: boolean;
}

const stopped: Record<number, string> = {
  [Close.version]: 'New version · reload',
  [Close.replaced]: 'Open in another tab · use here',
};

export function chip(status: LinkStatus, unsent: number, { saving, saved }: Saving, now: number): Chip {
  const waiting = unsent > 0 ? { unsent } : {};
  switch (status.state) {
    case 'live':
    case 'stale':
      return { state: 'connected', label: saving ? 'Saving…' : saved ? 'Saved' : 'Connected' };
    case 'stopped':
      return { state: 'stopped', label: stopped[status.code ?? 0] ?? 'Refused · reload', ...waiting };
  }
  if (status.restarting || status.state === 'leaving') {
    return { state: 'restarting', label: 'Server restarting…', ...waiting };
  }
  if (!status.wasLive && status.failures === 0)
    return { state: 'connecting', label: 'Connecting…', ...waiting };
  if (status.state !== 'waiting') return { state: 'offline', label: 'Offline', trying: true, ...waiting };
  const left = status.retryAt === undefined ? 0 : Math.ceil((status.retryAt - now) / 1000);
  return { state: 'offline', label: 'Offline', ...(left > 0 && { retryIn: left }), ...waiting };
}
