import assert from 'node:assert/strict';
import test from 'node:test';
import { People } from '../lib/people.ts';
import type { Note, Op, Reject, SetFields } from '../lib/protocol.ts';
import { Tell } from '../lib/tell.ts';
import { Toasts } from '../lib/toasts.ts';
import { Clock } from './clock.ts';

const bo = { id: 'u_bo', name: 'Bo', hue: 20 };
const note: Note = {
  id: 'n_1',
  x: 1,
  y: 2,
  z: 3,
  color: 'sky',
  text: 'old',
  textRev: 4,
  by: 'u_bo',
  at: 5,
};
const gone: Reject = { t: 'reject', seq: 1, code: 'gone', note, by: 'u_bo' };

function bench() {
  const people = new People({ id: 'u_me', name: 'Ada', hue: 0 });
  people.meet(bo);
  const clock = new Clock();
  const toasts = new Toasts(clock);
  const done: unknown[] = [];
  const tell = new Tell(toasts, people, {
    restore: (id) => done.push(['restore', id]),
    revive: ({ id }, late) => done.push(['revive', id, late]),
    keepBoth: (id, text) => done.push(['keepBoth', id, text]),
  });
  const refuse = (op: Op, message: Reject = gone) => tell.refused({ seq: 1, op, at: 0 }, message);
  const set = (f: SetFields): Op => ({ k: 'set', id: 'n_1', f });
  const texts = () => toasts.view.shown.map(({ text }) => text);
  const press = (label: string) => {
    const actions = toasts.view.shown.flatMap((toast) => toast.actions ?? []);
    actions.find((action) => action.label === label)?.run();
  };
  return { tell, toasts, clock, done, refuse, set, texts, press };
}

test('a change to a deleted note offers to bring it back with the change', () => {
  const { refuse, set, texts, press, done, clock } = bench();
  refuse(set({ text: 'typed' }));
  clock.pass(60_000);
  assert.deepEqual(texts(), ['Bo deleted this note']);
  press('Restore');
  assert.deepEqual(done, [['revive', 'n_1', { text: 'typed' }]]);
});

test('of several refused changes to a note none is lost', () => {
  const { refuse, set, texts, press, done } = bench();
  refuse(set({ text: 'typed' }));
  refuse(set({ x: 9, y: 9 }));
  assert.equal(texts().length, 1);
  press('Restore');
  assert.deepEqual(done, [['revive', 'n_1', { text: 'typed', x: 9, y: 9 }]]);
});

test('what an earlier, dismissed toast offered is not offered again', () => {
  const { refuse, set, toasts, press, done } = bench();
  refuse(set({ text: 'typed' }));
  for (const { id } of toasts.view.shown) toasts.dismiss(id);
  refuse(set({ x: 9, y: 9 }));
  press('Restore');
  assert.deepEqual(done, [['revive', 'n_1', { x: 9, y: 9 }]]);
});

test('nothing is said of a refused order or deletion', () => {
  const { refuse, texts } = bench();
  refuse({ k: 'front', id: 'n_1' });
  refuse({ k: 'delete', id: 'n_1' });
  assert.deepEqual(texts(), []);
});

test('a note that was refused keeps its text at hand', () => {
  const { refuse, texts, toasts, clock } = bench();
  const create: Op = { k: 'create', id: 'n_2', f: { x: 0, y: 0, color: 'sky', text: 'typed' } };
  refuse(create, { t: 'reject', seq: 1, code: 'limit' });
  clock.pass(60_000);
  assert.deepEqual(texts(), ['The board is full: delete a note first']);
  assert.deepEqual(
    toasts.view.shown[0]?.actions?.map(({ label }) => label),
    ['Copy text'],
  );
});

test('each replaced text can be kept', () => {
  const { tell, texts, press, done } = bench();
  const conflict = { t: 'conflict', id: 'n_1', winner: 'u_bo' } as const;
  tell.replaced({ ...conflict, seq: 1, lost: 'one' });
  tell.replaced({ ...conflict, seq: 2, lost: 'two' });
  assert.deepEqual(texts(), ['Bo replaced your text “one”', 'Bo replaced your text “two”']);
  press('Keep both');
  assert.deepEqual(done, [['keepBoth', 'n_1', 'one']]);
});

test('what others did is announced, what the user did is not', () => {
  const { tell, texts } = bench();
  const at = 1;
  tell.announce({ kind: 'joined', by: bo, at });
  tell.announce({ kind: 'created', by: bo, note: 'n_2', text: '', at });
  tell.announce({ kind: 'edited', by: bo, note: 'n_2', text: 'Ship it', at });
  tell.announce({ kind: 'edited', by: { ...bo, id: 'u_me' }, note: 'n_2', text: 'x', at });
  assert.deepEqual(texts(), ['Bo joined', 'Bo edited “Ship it”']);
});

test('one thing is told once: the toast that asks what to do stands for the notice', () => {
  for (const noticeFirst of [true, false]) {
    const { tell, refuse, set, texts } = bench();
    const announce = () => tell.announce({ kind: 'deleted', by: bo, note: 'n_1', text: 'old', at: 1 });
    if (noticeFirst) announce();
    refuse(set({ text: 'typed' }));
    if (!noticeFirst) announce();
    assert.deepEqual(texts(), ['Bo deleted this note'], `notice first: ${noticeFirst}`);
  }
});

test('a new log clears the notices', () => {
  const { tell, texts } = bench();
  tell.announce({ kind: 'joined', by: bo, at: 1 });
  tell.reset();
  assert.deepEqual(texts(), ['The board was reset']);
});
