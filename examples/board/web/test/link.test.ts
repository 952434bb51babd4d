import assert from 'node:assert/strict';
import test from 'node:test';
import { Link, type LinkStatus, type Socket } from '../lib/link.ts';
import { type ServerMessage, VERSION, type Welcome, type WelcomeHead } from '../lib/protocol.ts';
import { Clock } from './clock.ts';

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly sent: { t: string; n?: number }[] = [];
  closed: number | undefined;

  send(data: string): void {
    this.sent.push(JSON.parse(data));
  }
  close(code?: number): void {
    this.closed = code ?? 1005;
  }
  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  end(code: number): void {
    this.onclose?.({ code });
  }
}

const limits = { text: 2000, notes: 2000, opsPerSec: 60 };
const welcome: WelcomeHead = { t: 'welcome', v: 1, mode: 'snapshot', acked: 0, hb: 15000, limits };

/** A link whose delays are always the whole of their ceiling. */
class Bench {
  readonly clock = new Clock();
  readonly sockets: FakeSocket[] = [];
  readonly heard: ServerMessage[] = [];
  readonly codes: number[] = [];
  readonly welcomes: Welcome[] = [];
  readonly states: LinkStatus['state'][] = [];
  known = true;
  readonly link = new Link(
    {
      open: () => {
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket;
      },
      now: this.clock.now,
      after: this.clock.after,
      random: () => 1,
    },
    {
      hello: () => ({ t: 'hello', v: VERSION, client: 'c', user: { id: 'u', name: 'n', hue: 0 }, first: 1 }),
      welcome: (message) => {
        this.welcomes.push(message);
        return this.known;
      },
      message: (message) => this.heard.push(message),
      closed: (code) => this.codes.push(code),
      status: ({ state }) => this.states.push(state),
    },
  );

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  greet(): this {
    this.socket.onopen?.();
    this.socket.say(welcome);
    this.socket.say({ t: 'live', pos: 'p' });
    return this;
  }

  live(): this {
    this.link.start();
    return this.greet();
  }
}

test('a link says hello, is welcomed and is live', () => {
  const bench = new Bench().live();
  assert.deepEqual(bench.states, ['connecting', 'syncing', 'live']);
  assert.equal(bench.socket.sent[0]?.t, 'hello');
  assert.ok(bench.link.live);
});

test('nothing is sent before the welcome', () => {
  const bench = new Bench();
  bench.link.start();
  bench.socket.onopen?.();
  assert.equal(bench.link.send({ t: 'ping', n: 1 }), false);
  assert.equal(bench.socket.sent.length, 1);
});

test('the delays double, and start over only after 10 s of being live', () => {
  const bench = new Bench();
  bench.link.start();
  const delays: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) {
    bench.socket.end(1006);
    delays.push(bench.clock.next);
    bench.clock.pass(bench.clock.next ?? 0);
  }
  assert.deepEqual(delays, [250, 500, 1000, 2000]);
  bench.greet();
  bench.clock.pass(9_000);
  bench.socket.end(1006);
  assert.equal(bench.clock.next, 4000, 'too short a life');
  bench.clock.pass(4000);
  bench.greet();
  bench.clock.pass(10_000);
  bench.socket.end(1006);
  assert.equal(bench.clock.next, 250);
});

test('silence for hb is answered by a ping, and 5 s more by a new connection', () => {
  const bench = new Bench().live();
  bench.clock.pass(14_999);
  assert.equal(bench.link.status.state, 'live');
  bench.clock.pass(1);
  assert.equal(bench.link.status.state, 'stale');
  assert.equal(bench.socket.sent.at(-1)?.t, 'ping');
  const old = bench.socket;
  bench.clock.pass(5_000);
  assert.equal(old.closed, 4008);
  assert.equal(bench.link.status.state, 'waiting');
  old.onclose?.({ code: 1006 });
  assert.equal(bench.sockets.length, 1, 'the late end of the old connection changes nothing');
});

test('any message is a sign of life', () => {
  const bench = new Bench().live();
  bench.clock.pass(10_000);
  bench.socket.say({ t: 'ack', seq: 1 });
  bench.clock.pass(14_000);
  assert.equal(bench.link.status.state, 'live');
  bench.clock.pass(1_000);
  assert.equal(bench.link.status.state, 'stale');
  bench.socket.say({ t: 'pong', n: 1 });
  assert.equal(bench.link.status.state, 'live');
  bench.clock.pass(14_999);
  assert.equal(bench.link.status.state, 'live');
});

test("the server's ping is answered", () => {
  const bench = new Bench().live();
  bench.socket.say({ t: 'ping', n: 7 });
  assert.deepEqual(bench.socket.sent.at(-1), { t: 'pong', n: 7 });
});

test('a bye is followed by the delay that it names', () => {
  const bench = new Bench().live();
  bench.socket.say({ t: 'bye', code: 'restart', retry: 1340 });
  assert.equal(bench.link.status.state, 'leaving');
  assert.equal(bench.link.send({ t: 'ping', n: 1 }), false, 'what is sent now could be lost');
  bench.clock.pass(40);
  bench.socket.end(1012);
  assert.equal(bench.clock.next, 1300);
  assert.ok(bench.link.status.restarting);
  bench.clock.pass(1300);
  bench.socket.end(1006);
  assert.ok(bench.link.status.restarting, 'it may take its time');
  bench.clock.pass(20_000);
  assert.equal(bench.link.status.restarting, false);
});

test('a bye without an end is ended here', () => {
  const bench = new Bench().live();
  bench.socket.say({ t: 'bye', code: 'restart', retry: 100 });
  bench.clock.pass(5_000);
  assert.equal(bench.socket.closed, undefined, 'a new attempt');
  assert.equal(bench.sockets.length, 2);
});

test('trying now cuts the waiting short', () => {
  const bench = new Bench();
  bench.link.start();
  bench.socket.end(1006);
  bench.link.tryNow();
  assert.equal(bench.sockets.length, 2);
  bench.link.tryNow();
  assert.equal(bench.sockets.length, 2, 'an attempt is under way already');
  bench.clock.pass(1_000);
  assert.equal(bench.sockets.length, 2, 'the old timer is gone');
});

test('trying now while live asks for a sign of life', () => {
  const bench = new Bench().live();
  bench.link.tryNow();
  assert.equal(bench.socket.sent.at(-1)?.t, 'ping');
  bench.socket.say({ t: 'pong', n: 1 });
  assert.equal(bench.link.status.state, 'live');
});

test('an attempt that hangs is given up', () => {
  for (const opened of [false, true]) {
    const bench = new Bench();
    bench.link.start();
    if (opened) bench.socket.onopen?.();
    bench.clock.pass(10_000);
    assert.equal(bench.link.status.state, 'waiting', `opened: ${opened}`);
  }
});

test('some ends are final until the user asks', () => {
  for (const code of [4000, 4003, 4005]) {
    const bench = new Bench().live();
    bench.socket.end(code);
    assert.equal(bench.link.status.state, 'stopped', String(code));
    assert.equal(bench.link.status.code, code);
    assert.equal(bench.clock.count, 0);
    bench.link.tryNow();
    assert.equal(bench.sockets.length, 2);
  }
});

test('a connection that was too slow comes back at once, but not in a circle', () => {
  const bench = new Bench().live();
  bench.clock.pass(6_000);
  bench.socket.end(4002);
  assert.equal(bench.sockets.length, 2);
  bench.greet().socket.end(4002);
  assert.equal(bench.sockets.length, 2);
  assert.equal(bench.link.status.state, 'waiting');
});

test('the owner hears of a hole and of a message that was too large', () => {
  for (const code of [1009, 4009]) {
    const bench = new Bench().live();
    bench.socket.end(code);
    assert.deepEqual(bench.codes, [code]);
    assert.equal(bench.link.status.state, 'waiting');
  }
});

test('a client that is unknown says hello again on a new connection', () => {
  const bench = new Bench();
  bench.known = false;
  bench.live();
  assert.equal(bench.socket.closed, 1000);
  assert.equal(bench.link.status.state, 'waiting');
  bench.known = true;
  bench.clock.pass(250);
  bench.greet();
  assert.equal(bench.link.status.state, 'live');
});

test('a stopped link is silent, and starts again', () => {
  const bench = new Bench().live();
  bench.link.stop();
  assert.equal(bench.socket.closed, 4001);
  assert.equal(bench.clock.count, 0);
  bench.link.tryNow();
  assert.equal(bench.sockets.length, 1);
  bench.link.start();
  assert.equal(bench.greet().link.status.state, 'live');
});

test('a changed name is said on a new connection at once', () => {
  const bench = new Bench().live();
  bench.link.again();
  assert.equal(bench.sockets.length, 2);
  assert.equal(bench.greet().link.status.state, 'live');
});

test('what is no message is ignored', () => {
  const bench = new Bench().live();
  for (const data of ['{', 'null', '{"t":"news"}', new ArrayBuffer(2)]) bench.socket.onmessage?.({ data });
  assert.deepEqual(bench.heard, []);
  assert.equal(bench.link.status.state, 'live');
});

const note = (id: string) =>
  ({ id, x: 0, y: 0, z: 1, color: 'amber', text: '', textRev: 0, by: 'u_bo', at: 1 }) as const;

test('a welcome takes effect when all of it is there, and what came between comes after it', () => {
  const bench = new Bench();
  bench.link.start();
  bench.socket.onopen?.();
  bench.socket.say(welcome);
  bench.socket.say({ t: 'rows', notes: [note('n_1')] });
  bench.socket.say({ t: 'conflict', seq: 1, id: 'n_1', lost: 'mine', winner: 'u_bo' });
  bench.socket.say({ t: 'rows', notes: [note('n_2')] });
  assert.deepEqual([bench.link.live, bench.welcomes.length, bench.heard.length], [false, 0, 0]);
  bench.socket.say({ t: 'live', pos: 'q' });
  assert.ok(bench.link.live);
  assert.deepEqual(bench.welcomes, [{ ...welcome, pos: 'q', notes: [note('n_1'), note('n_2')] }]);
  assert.deepEqual(
    bench.heard.map((m) => m.t),
    ['conflict'],
  );
});

test('a welcome that is cut leaves nothing behind', () => {
  const bench = new Bench();
  bench.link.start();
  bench.socket.onopen?.();
  bench.socket.say({ ...welcome, mode: 'delta' });
  bench.socket.say({ t: 'rows', ops: [] });
  bench.socket.end(1006);
  assert.equal(bench.welcomes.length, 0);
  bench.clock.pass(bench.clock.next ?? 0);
  bench.greet();
  assert.deepEqual(bench.welcomes, [{ ...welcome, pos: 'p', notes: [] }]);
});

test('a long welcome is waited for as long as it goes on, and answered with signs of life', () => {
  const bench = new Bench();
  bench.link.start();
  bench.socket.onopen?.();
  bench.socket.say(welcome);
  for (let i = 0; i < 10; i++) {
    bench.clock.pass(9_000);
    bench.socket.say({ t: 'rows', notes: [note(`n_${i}`)] });
  }
  assert.equal(bench.sockets.length, 1);
  assert.equal(bench.socket.sent.filter((m) => m.t === 'ping').length, 10);
  bench.clock.pass(10_000);
  assert.equal(bench.socket.closed, 4008, 'and not when it stops');
});

for (const code of [4000, 4003, 4005]) {
  test(`after ${code} nothing but the user makes it try again`, () => {
    const bench = new Bench().live();
    bench.socket.end(code);
    bench.link.nudge(); // online, visible
    bench.link.check(); // offline
    bench.link.again(); // another name
    bench.link.stop(); // pagehide
    bench.link.start(); // pageshow
    bench.clock.pass(120_000);
    assert.equal(bench.sockets.length, 1);
    assert.equal(bench.link.status.state, 'stopped');
    assert.equal(bench.link.status.code, code);
    bench.link.tryNow();
    assert.equal(bench.sockets.length, 2);
  });
}
