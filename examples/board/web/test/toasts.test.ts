import assert from 'node:assert/strict';
import test from 'node:test';
import { Toasts } from '../lib/toasts.ts';
import { Clock } from './clock.ts';

function bench() {
  const clock = new Clock();
  const toasts = new Toasts(clock);
  const texts = () => toasts.view.shown.map(({ text }) => text);
  return { clock, toasts, texts };
}
const actions = [{ label: 'Undo', run: () => {} }];

test('a toast stays for 6 s', () => {
  const { clock, toasts, texts } = bench();
  toasts.show({ text: 'a' });
  clock.pass(5_999);
  assert.deepEqual(texts(), ['a']);
  clock.pass(1);
  assert.deepEqual(texts(), []);
  assert.equal(clock.count, 0);
});

test('the three newest are shown and the others counted', () => {
  const { clock, toasts, texts } = bench();
  for (const text of ['a', 'b', 'c', 'd', 'e']) {
    toasts.show({ text });
    clock.pass(100);
  }
  assert.deepEqual([texts(), toasts.view.more], [['c', 'd', 'e'], 2]);
  clock.pass(5_600);
  assert.deepEqual([texts(), toasts.view.more], [['c', 'd', 'e'], 0]);
});

test('what can be acted on is not pushed out by what only tells', () => {
  const { toasts, texts } = bench();
  toasts.show({ text: 'undo', actions, life: 8_000 });
  for (const text of ['a', 'b', 'c']) toasts.show({ text });
  assert.deepEqual([texts(), toasts.view.more], [['undo', 'b', 'c'], 1]);
});

test('time stands still while they are looked at', () => {
  const { clock, toasts, texts } = bench();
  toasts.show({ text: 'a' });
  clock.pass(4_000);
  toasts.pause();
  clock.pass(60_000);
  assert.deepEqual(texts(), ['a']);
  toasts.resume();
  clock.pass(1_999);
  assert.deepEqual(texts(), ['a']);
  clock.pass(1);
  assert.deepEqual(texts(), []);
});

test('a toast with the same key replaces the earlier one', () => {
  const { toasts, texts } = bench();
  toasts.show({ key: 'k', text: 'added' });
  toasts.show({ key: 'k', text: 'edited' });
  assert.deepEqual(texts(), ['edited']);
});

test('one without an end stays until it is dismissed', () => {
  const { clock, toasts, texts } = bench();
  const id = toasts.show({ text: 'a', life: Number.POSITIVE_INFINITY, actions });
  clock.pass(3_600_000);
  assert.deepEqual(texts(), ['a']);
  toasts.clearNotices();
  assert.deepEqual(texts(), ['a']);
  toasts.dismiss(id);
  assert.deepEqual(texts(), []);
});

test('a flood is bounded, and the view is told only of what changed in it', () => {
  const { toasts } = bench();
  for (let i = 0; i < 500; i++) toasts.show({ text: `${i}` });
  assert.equal(toasts.view.shown.length + toasts.view.more, 50);
  let told = 0;
  toasts.subscribe(() => told++);
  toasts.pause();
  toasts.resume();
  assert.equal(told, 0);
});
