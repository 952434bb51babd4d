import assert from 'node:assert/strict';
import test from 'node:test';
import { cleanName, hueOf, newUser, parseUser } from '../lib/user.ts';

test('a new user is one that the protocol takes', () => {
  for (let i = 0; i < 50; i++) {
    const user = newUser();
    assert.match(user.id, /^u_[0-9A-Za-z]{1,32}$/);
    assert.ok(user.hue >= 0 && user.hue <= 359 && Number.isInteger(user.hue));
    assert.deepEqual(parseUser(JSON.stringify(user)), user);
  }
});

test('a wanted name has a hue of its own', () => {
  assert.equal(newUser('Ada').hue, hueOf('Ada'));
  const apart = Math.abs(hueOf('Ada') - hueOf('Bo'));
  assert.ok(Math.min(apart, 360 - apart) >= 60, `Ada ${hueOf('Ada')}, Bo ${hueOf('Bo')}`);
});

test('names are trimmed and cut to 40 code points', () => {
  assert.equal(cleanName('  Ada \n Lovelace '), 'Ada Lovelace');
  assert.equal(cleanName(' \t'), undefined);
  assert.equal([...(cleanName('😀'.repeat(60)) ?? '')].length, 40);
});

test('what lies in the storage and is no user is none', () => {
  for (const text of [null, '', '{', '{"id":"x","name":"A","hue":1}', '{"id":"u_1","name":" ","hue":1}']) {
    assert.equal(parseUser(text), undefined, String(text));
  }
  assert.equal(parseUser('{"id":"u_1","name":"A","hue":360}'), undefined);
});
