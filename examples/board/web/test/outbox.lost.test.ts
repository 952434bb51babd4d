import assert from 'node:assert/strict';
import test from 'node:test';
import { OutboxKeeper } from '../lib/outbox.ts';
import type { Welcome } from '../lib/protocol.ts';
import { Store } from '../lib/store.ts';

const limits = { text: 2000, notes: 2000, opsPerSec: 60 };
const settled = () => new Promise((done) => setTimeout(done));

test('a full storage leaves no outbox of an earlier moment', async () => {
  const items = new Map<string, string>();
  let full = false;
  const storage = {
    getItem: (k: string) => items.get(k) ?? null,
    setItem: (k: string, v: string) => {
      if (full) throw new Error('QuotaExceededError');
      items.set(k, v);
    },
    removeItem: (k: string) => void items.delete(k),
  };
  const locks = {
    request: async (_n: string, _o: unknown, run: () => Promise<void>) => run(),
  } as unknown as LockManager;
  const one = new OutboxKeeper('main', { storage, locks, newClientId: () => `c_${'a'.repeat(32)}` });
  const first = await one.claim();
  const page = new Store({ client: first.client, user: () => 'u' });
  one.keep(() => ({ client: page.client, saved: page.saved }));
  page.subscribeQueue(() => one.touch());
  page.perform({ k: 'front', id: 'n_1' });
  page.takeUnsent();
  await settled();
  full = true;
  for (const id of ['n_2', 'n_3', 'n_4']) {
    page.perform({ k: 'front', id });
    page.takeUnsent();
  }
  await settled();
  one.leave();
  full = false;
  // The page is loaded again: the server has dealt with 1 to 4.
  const two = new OutboxKeeper('main', { storage, locks, newClientId: () => `c_${'b'.repeat(32)}` });
  const again = await two.claim();
  const store = new Store({ client: 'c_x', user: () => 'u' });
  store.adopt(again.client, again.saved);
  store.perform({ k: 'create', id: 'n_9', f: { x: 1, y: 1, color: 'amber', text: 'typed' } });
  const acked = again.client === first.client ? 4 : 0;
  store.welcome({
    t: 'welcome',
    v: 1,
    mode: 'delta',
    ops: [],
    pos: 'p',
    acked,
    hb: 1,
    limits,
  } as unknown as Welcome);
  for (const q of [...store.saved.asked]) store.ack(q.seq); // what the server answers: dealt with before
  assert.deepEqual(
    store.pending.map((p) => p.op.id),
    ['n_9'],
  );
});

test('leaving and coming back while the outbox is claimed', async () => {
  const held = new Set<string>();
  const items = new Map<string, string>();
  const storage = {
    getItem: (k: string) => items.get(k) ?? null,
    setItem: (k: string, v: string) => void items.set(k, v),
    removeItem: (k: string) => void items.delete(k),
  };
  const locks = {
    request: async (n: string, { signal }: { signal: AbortSignal }, run: () => Promise<void> | undefined) => {
      for (let _i = 0; held.has(n); _i++) {
        await settled();
        if (signal.aborted) throw new Error('aborted');
      }
      held.add(n);
      await run();
      held.delete(n);
    },
  } as unknown as LockManager;
  items.set(
    'board-outbox:main',
    JSON.stringify({
      v: 1,
      client: `c_${'a'.repeat(32)}`,
      next: 2,
      sent: 0,
      asked: [],
      pending: [{ seq: 1, op: { k: 'front', id: 'n' }, at: 0 }],
    }),
  );
  const k = new OutboxKeeper('main', { storage, locks, newClientId: () => `c_${'b'.repeat(32)}` });
  held.add(`board-client:c_${'a'.repeat(32)}`); // the page before has not gone yet
  const one = k.claim();
  k.leave(); // pagehide
  const two = k.claim(); // pageshow
  held.clear();
  const [a, b] = await Promise.all([one, two]);
  assert.equal(
    b.saved?.pending.length,
    1,
    `first claim got ${a.client.slice(0, 4)}, second ${b.client.slice(0, 4)}`,
  );
});
