import assert from 'node:assert/strict';
import test from 'node:test';
import { chip } from '../lib/chip.ts';
import type { LinkStatus } from '../lib/link.ts';

const base: LinkStatus = { state: 'idle', wasLive: true, failures: 0, restarting: false };
const still = { saving: false, saved: false };

const cases: [string, Partial<LinkStatus>, number, object][] = [
  [
    'the first attempt',
    { state: 'connecting', wasLive: false },
    0,
    { state: 'connecting', label: 'Connecting…' },
  ],
  ['live', { state: 'live' }, 0, { state: 'connected', label: 'Connected' }],
  ['a ping on its way', { state: 'stale' }, 2, { state: 'connected', label: 'Connected' }],
  [
    'waiting',
    { state: 'waiting', retryAt: 3_200 },
    3,
    { state: 'offline', label: 'Offline', retryIn: 4, unsent: 3 },
  ],
  ['trying', { state: 'syncing', failures: 2 }, 0, { state: 'offline', label: 'Offline', trying: true }],
  [
    'never reached',
    { state: 'waiting', retryAt: 1, wasLive: false, failures: 1 },
    0,
    { state: 'offline', label: 'Offline', retryIn: 1 },
  ],
  ['a bye', { state: 'leaving' }, 0, { state: 'restarting', label: 'Server restarting…' }],
  [
    'a restart',
    { state: 'waiting', retryAt: 900, restarting: true },
    1,
    { state: 'restarting', label: 'Server restarting…', unsent: 1 },
  ],
  ['an old page', { state: 'stopped', code: 4003 }, 0, { state: 'stopped', label: 'New version · reload' }],
  ['refused', { state: 'stopped', code: 4000 }, 0, { state: 'stopped', label: 'Refused · reload' }],
];

for (const [name, status, unsent, want] of cases) {
  test(`the chip while: ${name}`, () => {
    assert.deepEqual(chip({ ...base, ...status }, unsent, still, 0), want);
  });
}

test('the chip tells of saving and saved while connected', () => {
  const live = { ...base, state: 'live' as const };
  assert.equal(chip(live, 1, { saving: true, saved: false }, 0).label, 'Saving…');
  assert.equal(chip(live, 0, { saving: false, saved: true }, 0).label, 'Saved');
});
