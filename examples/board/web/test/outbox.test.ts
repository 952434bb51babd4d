import assert from 'node:assert/strict';
import test from 'node:test';
import { OutboxKeeper } from '../lib/outbox.ts';
import type { Saved } from '../lib/store.ts';

class Storage_ {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);

  /** What duplicating a tab does. */
  copy(): Storage_ {
    const storage = new Storage_();
    for (const [key, value] of this.items) storage.setItem(key, value);
    return storage;
  }
}

/** Web Locks of one origin, as far as they are used: exclusive, queued, abortable. */
class Locks {
  private readonly held = new Map<string, Promise<void>>();

  async request(name: string, { signal }: { signal: AbortSignal }, run: () => Promise<void>): Promise<void> {
    while (this.held.has(name)) {
      const gone = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      });
      await Promise.race([this.held.get(name), gone]);
    }
    const done = Promise.resolve(run()).then(() => void this.held.delete(name));
    this.held.set(name, done);
    await done;
  }
}

let clients = 0;
const id = () => `c_${(++clients).toString(16).padStart(32, '0')}`;

function keeper(storage: Storage_, locks: Locks | undefined): OutboxKeeper {
  return new OutboxKeeper('main', { storage, locks: locks as unknown as LockManager, newClientId: id });
}

const saved: Saved = {
  next: 3,
  sent: 1,
  pending: [{ seq: 2, op: { k: 'front', id: 'n_1' }, at: 0 }],
  asked: [],
};
const settled = () => new Promise((done) => setTimeout(done));

for (const locks of [new Locks(), undefined]) {
  test(`an outbox survives a reload, ${locks ? 'with' : 'without'} locks`, async () => {
    const storage = new Storage_();
    const first = keeper(storage, locks);
    const { client } = await first.claim();
    first.keep(() => ({ client, saved }));
    first.touch();
    first.leave();
    const again = await keeper(storage, locks).claim();
    assert.equal(again.client, client);
    assert.deepEqual(again.saved?.pending, saved.pending);
  });
}

test('a duplicated tab gets a new client id and an empty outbox', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const [storage, locks] = [new Storage_(), new Locks()];
  const first = keeper(storage, locks);
  const { client } = await first.claim();
  first.keep(() => ({ client, saved }));
  first.touch();
  await Promise.resolve();
  const claim = keeper(storage.copy(), locks).claim();
  await Promise.resolve();
  context.mock.timers.tick(1000);
  const second = await claim;
  assert.notEqual(second.client, client);
  assert.equal(second.saved, undefined);
});

test('without locks nothing lies about to be copied while the page lives', async () => {
  const storage = new Storage_();
  const first = keeper(storage, undefined);
  const { client } = await first.claim();
  first.keep(() => ({ client, saved }));
  first.touch();
  await settled();
  assert.equal(storage.items.size, 0);
  first.leave();
  await keeper(storage, undefined).claim();
  assert.equal(storage.items.size, 0);
});

test('a record that is none is no outbox', async () => {
  for (const text of [
    '',
    '{',
    'null',
    '{"v":1}',
    '{"v":2,"client":"c_1","next":1,"pending":[],"asked":[]}',
  ]) {
    const storage = new Storage_();
    storage.setItem('board-outbox:main', text);
    const { saved: found } = await keeper(storage, new Locks()).claim();
    assert.equal(found, undefined, text);
  }
});

test('a page that left before it had its lock does not keep it', async () => {
  const locks = new Locks();
  const storage = new Storage_();
  const first = keeper(storage, locks);
  const claim = first.claim();
  first.leave();
  const { client } = await claim;
  const next = keeper(storage, locks);
  storage.setItem('board-outbox:main', JSON.stringify({ v: 1, client, ...saved }));
  assert.equal((await next.claim()).client, client);
});
