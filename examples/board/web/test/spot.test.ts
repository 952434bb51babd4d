import assert from 'node:assert/strict';
import test from 'node:test';
import { freeSpot } from '../lib/spot.ts';

const room = { left: 0, top: 0, right: 1280, bottom: 660 };
const middle = { x: 552, y: 250 };

test('the first note comes into the middle', () => {
  assert.deepEqual(freeSpot(room, []), middle);
});

test('the next ones come beside it without covering it', () => {
  const notes = [middle];
  for (let i = 0; i < 14; i++) notes.push(freeSpot(room, notes));
  for (const [i, a] of notes.entries()) {
    for (const b of notes.slice(i + 1)) {
      assert.ok(Math.abs(a.x - b.x) >= 176 || Math.abs(a.y - b.y) >= 160, `${i} is covered`);
    }
    assert.ok(a.x >= 0 && a.x + 176 <= 1280 && a.y >= 0 && a.y + 160 <= 660, `${i} is outside`);
  }
});

test('in a full room they lie a step beside each other', () => {
  const small = { left: 0, top: 0, right: 360, bottom: 470 };
  const first = freeSpot(small, []);
  const notes = [first];
  for (let i = 0; i < 6; i++) notes.push(freeSpot(small, notes));
  assert.equal(new Set(notes.map(({ x, y }) => `${x},${y}`)).size, notes.length);
});
