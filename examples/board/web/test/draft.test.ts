import assert from 'node:assert/strict';
import test from 'node:test';
import { Draft } from '../lib/draft.ts';
import type { Conflict, Note } from '../lib/protocol.ts';

const note = (text: string, textRev: number, by = 'u_me'): Note => {
  return { id: 'n_1', x: 0, y: 0, z: 1, color: 'amber', text, textRev, by, at: 1 };
};
const conflict: Conflict = { t: 'conflict', seq: 3, id: 'n_1', lost: 'mine', winner: 'u_bo' };

test('what is typed is sent once, with the revision that the user saw', () => {
  const draft = new Draft(note('', 4));
  assert.equal(draft.flush(), undefined);
  draft.text = 'a';
  assert.deepEqual(draft.flush(), { text: 'a', textRev: 4 });
  draft.observe(note('a', 5)); // The own prediction.
  assert.equal(draft.flush(), undefined);
  draft.text = 'ab';
  assert.deepEqual(draft.end(), { change: { text: 'ab', textRev: 5 } });
});

test("another's text waits beside the draft", () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'start, mine';
  draft.observe(note('theirs', 2, 'u_bo'));
  assert.equal(draft.text, 'start, mine');
  assert.deepEqual(draft.theirs, { text: 'theirs', by: 'u_bo', rev: 2 });
  assert.equal(draft.flush(), undefined, 'nothing is sent before the user decides');
});

test('taking theirs leaves nothing to send', () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'mine';
  draft.observe(note('theirs', 2, 'u_bo'));
  draft.take();
  assert.equal(draft.text, 'theirs');
  assert.deepEqual(draft.end(), {});
});

test('keeping mine sends it with the revision of theirs, which the user saw', () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'mine';
  draft.observe(note('theirs', 2, 'u_bo'));
  draft.keep();
  assert.deepEqual(draft.flush(), { text: 'mine', textRev: 2 });
});

test('leaving undecided sends what was typed with the old revision, so that the other author is told', () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'mine';
  draft.observe(note('theirs', 2, 'u_bo'));
  assert.deepEqual(draft.end(), { change: { text: 'mine', textRev: 1 } });
});

test('leaving undecided with nothing typed since gives back what the server says was lost', () => {
  const draft = new Draft(note('', 0));
  draft.text = 'mine';
  draft.flush();
  draft.observe(note('theirs', 2, 'u_bo'));
  draft.conflicted(conflict);
  assert.deepEqual(draft.end(), { lost: conflict });
});

test('a decision settles a conflict', () => {
  for (const decide of ['take', 'keep'] as const) {
    const draft = new Draft(note('', 0));
    draft.text = 'mine';
    draft.flush();
    draft.observe(note('theirs', 2, 'u_bo'));
    draft.conflicted(conflict);
    draft[decide]();
    assert.equal(draft.end().lost, undefined, decide);
  }
});

test('the same text from elsewhere is no difference to decide about', () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'same';
  draft.observe(note('same', 2, 'u_bo'));
  assert.equal(draft.theirs, undefined);
  assert.equal(draft.dirty, false);
});

test('theirs vanishes when they put the old text back', () => {
  const draft = new Draft(note('start', 1));
  draft.text = 'mine';
  draft.observe(note('theirs', 2, 'u_bo'));
  draft.observe(note('start', 3, 'u_bo'));
  assert.equal(draft.theirs, undefined);
  assert.deepEqual(draft.flush(), { text: 'mine', textRev: 3 });
});
