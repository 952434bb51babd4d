import assert from 'node:assert/strict';
import test from 'node:test';
import type { Effect, Note, Op, Welcome } from '../lib/protocol.ts';
import { MAX_PENDING, Store } from '../lib/store.ts';

const CLIENT = 'c_me';
const limits = { text: 2000, notes: 2000, opsPerSec: 60 };

const note = (id: string, fields: Partial<Note> = {}): Note => {
  return { id, x: 0, y: 0, z: 1, color: 'amber', text: '', textRev: 0, by: 'u_bo', at: 1, ...fields };
};

function snapshot(notes: Note[], more: Partial<Welcome> = {}): Welcome {
  const base = {
    t: 'welcome',
    v: 1,
    mode: 'snapshot',
    pos: 'p',
    acked: 0,
    notes,
    hb: 15000,
    limits,
  } as const;
  return { ...base, ...more } as Welcome;
}

function live(...notes: Note[]): Store {
  const store = new Store({ client: CLIENT, user: () => 'u_me', now: () => 7 });
  store.welcome(snapshot(notes));
  return store;
}

const echo = (seq: number, op: Op, f?: Partial<Note>, client = CLIENT): Effect => {
  return { t: 'op', pos: `p${seq}`, client, seq, by: 'u_me', at: 9, k: op.k, id: op.id, ...(f && { f }) };
};
const move = (id: string, x: number, y: number): Op => ({ k: 'set', id, f: { x, y } });
const seqs = (store: Store) => store.pending.map((p) => p.seq);

test('an operation is in the view at once and in confirmed with its echo', () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 5, 6));
  assert.equal(store.note('n_1')?.x, 5);
  assert.equal(store.entry('n_1')?.pending, true);
  assert.equal(store.confirmed.get('n_1')?.x, 0);
  store.takeUnsent();
  store.receive(echo(1, move('n_1', 5, 6), { x: 5, y: 6 }));
  assert.equal(store.confirmed.get('n_1')?.x, 5);
  assert.equal(store.entry('n_1')?.pending, false);
  assert.equal(store.pos, 'p1');
});

test("others' changes go below what is pending", () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 5, 6));
  const theirs: Op = { k: 'set', id: 'n_1', f: { x: 90, y: 90, color: 'sky' } };
  store.receive(echo(3, theirs, theirs.f, 'c_other'));
  assert.deepEqual([store.note('n_1')?.x, store.note('n_1')?.color], [5, 'sky']);
  assert.equal(store.confirmed.get('n_1')?.x, 90);
});

test('only an unsent last operation on the same registers is merged', () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 1, 1));
  store.perform(move('n_1', 2, 2));
  assert.deepEqual(seqs(store), [1]);
  store.perform({ k: 'set', id: 'n_1', f: { color: 'sky' } });
  assert.deepEqual(seqs(store), [1, 2], 'other registers');
  store.perform(move('n_1', 3, 3));
  assert.deepEqual(seqs(store), [1, 2, 3], 'not the last');
  store.takeUnsent();
  store.perform(move('n_1', 4, 4));
  assert.deepEqual(seqs(store), [1, 2, 3, 4], 'was sent');
});

test('a merged text keeps the revision of its first form, which is the one that the server had', () => {
  const store = live(note('n_1', { textRev: 3 }));
  store.perform({ k: 'set', id: 'n_1', f: { text: 'a' }, textRev: 3 });
  store.perform({ k: 'set', id: 'n_1', f: { text: 'ab' }, textRev: 4 });
  assert.deepEqual(
    store.pending.map((p) => p.op),
    [{ k: 'set', id: 'n_1', f: { text: 'ab' }, textRev: 3 }],
  );
});

test('after a lost connection what was not dealt with is sent again, in order and unchanged', () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 1, 1));
  store.perform({ k: 'front', id: 'n_1' });
  assert.deepEqual(
    store.takeUnsent().map((p) => p.seq),
    [1, 2],
  );
  store.perform(move('n_1', 2, 2));
  store.perform(move('n_1', 3, 3));
  const missed = [echo(1, move('n_1', 1, 1), { x: 1, y: 1 })];
  store.welcome({ t: 'welcome', v: 1, mode: 'delta', pos: 'q', acked: 1, ops: missed, hb: 15000, limits });
  assert.deepEqual(
    store.takeUnsent().map((p) => [p.seq, p.op.k]),
    [
      [2, 'front'],
      [3, 'set'],
    ],
  );
  assert.equal(store.note('n_1')?.x, 3);
});

test('a delta is applied like the messages that were missed', () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 1, 1));
  store.takeUnsent();
  const ops = [
    echo(1, move('n_1', 1, 1), { x: 1, y: 1 }),
    echo(4, { k: 'delete', id: 'n_1' }, undefined, 'c_bo'),
  ];
  store.welcome({ t: 'welcome', v: 1, mode: 'delta', pos: 'q', acked: 1, ops, hb: 15000, limits });
  assert.deepEqual([store.ids, store.pending, store.pos], [[], [], 'q']);
  assert.deepEqual(store.takeUnsent(), [], 'its effect was seen: nothing to ask');
});

test('a snapshot ends what it does not name', () => {
  const store = live(note('n_1'), note('n_2'));
  store.welcome(snapshot([note('n_2')]));
  assert.deepEqual(store.ids, ['n_2']);
});

test('a refusal that was missed while the line was down is asked for once more', () => {
  const store = live(note('n_1'));
  const typed: Op = { k: 'set', id: 'n_1', f: { text: 'typed' }, textRev: 0 };
  store.perform(typed);
  store.perform({ k: 'create', id: 'n_2', f: { x: 0, y: 0, color: 'sky', text: '' } });
  store.takeUnsent();
  store.welcome(snapshot([], { acked: 1 }));
  assert.equal(store.first, 1);
  assert.deepEqual(
    store.takeUnsent().map((p) => p.seq),
    [1, 2],
  );
  const refused = store.reject({ t: 'reject', seq: 1, code: 'gone', note: note('n_1'), by: 'u_bo' });
  assert.deepEqual(refused?.op, typed);
  assert.equal(store.first, 2);
});

test('a server that forgot the client gets everything under a new id, numbered from 1', () => {
  const store = live(note('n_1'));
  store.perform(move('n_1', 1, 1));
  store.receive(echo(1, move('n_1', 1, 1), { x: 1, y: 1 }));
  store.perform(move('n_1', 2, 2));
  store.takeUnsent();
  store.perform({ k: 'front', id: 'n_1' });
  store.welcome(snapshot([note('n_1')], { acked: null }));
  store.renumber('c_new');
  assert.deepEqual([store.client, store.first, seqs(store)], ['c_new', 1, [1, 2]]);
  store.perform(move('n_1', 9, 9));
  assert.deepEqual(seqs(store), [1, 2, 3]);
});

test('the outbox of an earlier page is taken over', () => {
  const before = live(note('n_1'));
  before.perform(move('n_1', 1, 1));
  before.takeUnsent();
  const saved = JSON.parse(JSON.stringify(before.saved));
  const store = new Store({ client: 'c_x', user: () => 'u_me' });
  store.adopt(CLIENT, saved);
  assert.deepEqual([store.client, store.first], [CLIENT, 1]);
  store.perform(move('n_1', 2, 2));
  assert.deepEqual(seqs(store), [1, 2], 'what the earlier page sent is not changed');
});

test('a restore shows the note at once and takes the content from the server', () => {
  const store = live(note('n_1', { text: 'old' }));
  store.perform({ k: 'delete', id: 'n_1' });
  assert.deepEqual(store.ids, []);
  store.perform({ k: 'restore', id: 'n_1' });
  assert.equal(store.note('n_1')?.text, 'old');
  store.receive(echo(1, { k: 'delete', id: 'n_1' }));
  assert.equal(store.note('n_1')?.text, 'old');
  store.receive(echo(2, { k: 'restore', id: 'n_1' }, note('n_1', { text: 'newer' })));
  assert.equal(store.note('n_1')?.text, 'newer');
});

test('notes of one z lie in the order of their ids', () => {
  const store = live(note('n_b', { z: 4 }), note('n_a', { z: 4 }), note('n_c', { z: 3 }));
  const layers = ['n_c', 'n_a', 'n_b'].map((id) => store.entry(id)?.layer ?? 0);
  assert.deepEqual(
    layers,
    [...layers].sort((a, b) => a - b),
  );
  assert.equal(new Set(layers).size, 3);
});

test('the highest z is known after the highest note left', () => {
  const store = live(note('n_a', { z: 4 }), note('n_b', { z: 9 }));
  assert.equal(store.topZ, 9);
  store.perform({ k: 'delete', id: 'n_b' });
  assert.equal(store.topZ, 4);
});

test('listeners hear of their note alone', () => {
  const store = live(note('n_1'), note('n_2'));
  const heard: string[] = [];
  store.subscribeNote('n_1', () => heard.push('n_1'));
  const stop = store.subscribeNote('n_2', () => heard.push('n_2'));
  store.perform(move('n_2', 1, 1));
  assert.deepEqual(heard, ['n_2']);
  stop();
  store.perform(move('n_2', 2, 2));
  store.perform(move('n_1', 2, 2));
  assert.deepEqual(heard, ['n_2', 'n_1']);
});

test('the queue is bounded, and what is too large for the server is not queued', () => {
  const store = live(note('n_1'));
  for (let i = 0; i < MAX_PENDING; i++) assert.ok(store.perform({ k: 'front', id: `n_${i}` }));
  assert.equal(store.perform({ k: 'front', id: 'n_x' }), false);
  assert.equal(
    live().perform({ k: 'set', id: 'n_1', f: { text: '\u0001'.repeat(3000) }, textRev: 0 }),
    false,
  );
});
