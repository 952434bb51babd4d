import assert from 'node:assert/strict';
import test from 'node:test';
import { clip, codePoints, excerpt, initials } from '../lib/text.ts';

test('text is counted and cut in code points', () => {
  assert.equal(codePoints('a😀b'), 3);
  assert.equal(clip('a😀b', 2), 'a😀');
  assert.equal(clip('short', 2000), 'short');
});

test('half a surrogate pair, which is no valid UTF-8, is replaced', () => {
  assert.equal(clip('a\ud83d', 9), 'a\ufffd');
  assert.equal(clip('\ude00b', 9), '\ufffdb');
});

test('an excerpt is one line of a bounded length', () => {
  assert.equal(excerpt('  two\n lines ', 40), 'two lines');
  assert.equal(excerpt('abcdefgh', 5), 'abcd…');
  assert.equal(excerpt('a new kettle for the kitchen', 19), 'a new kettle for…');
  assert.equal(excerpt('a new kettle for the kitchen', 22), 'a new kettle for the…');
  assert.equal(excerpt('for 😀😀😀😀😀😀😀😀', 8), 'for 😀😀😀…');
});

test('initials come from the first and the last word', () => {
  assert.equal(initials('ada'), 'A');
  assert.equal(initials('Ada  King Lovelace'), 'AL');
  assert.equal(initials('😀 x'), '😀X');
  assert.equal(initials(' '), '?');
});
