import assert from 'node:assert/strict';
import test from 'node:test';
import { Backoff } from '../lib/backoff.ts';

test('the ceiling doubles from 250 ms to 30 s, and the delay is anything below it', () => {
  const highest = new Backoff({ random: () => 1 });
  const ceilings = Array.from({ length: 9 }, () => highest.next());
  assert.deepEqual(ceilings, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  const lowest = new Backoff({ random: () => 0 });
  assert.deepEqual([lowest.next(), lowest.next()], [0, 0]);
});

test('a thousand failures do not overflow', () => {
  const backoff = new Backoff({ random: () => 1 });
  for (let i = 0; i < 1000; i++) backoff.next();
  assert.equal(backoff.next(), 30000);
});

test('only a connection that lived for 10 s starts the delays over', () => {
  const backoff = new Backoff({ random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.ended(9_999);
  assert.equal(backoff.next(), 1000);
  backoff.ended(10_000);
  assert.equal(backoff.next(), 250);
});

test('the delays of a crowd are spread over the whole range', () => {
  const delays: number[] = [];
  for (let i = 0; i < 4000; i++) {
    const backoff = new Backoff();
    for (let n = 0; n < 3; n++) backoff.next();
    delays.push(backoff.next());
  }
  for (const from of [0, 500, 1000, 1500]) {
    const count = delays.filter((delay) => delay >= from && delay < from + 500).length;
    assert.ok(count > 800, `a quarter of the range got ${count} of 4000`);
  }
});
