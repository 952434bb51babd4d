'use strict';

// Node's ws as a peer: it reads requests from standard input, one JSON object a line, and answers each with a line.
// The first line it writes says what it is. It ends when its standard input does.

const { createHash, randomBytes } = require('node:crypto');
const http = require('node:http');
const readline = require('node:readline');
const { WebSocket, WebSocketServer } = require('ws');

// Peer is one end of a connection, with what came and how it ended.
class Peer {
  constructor(socket) {
    this.socket = socket;
    this.received = [];
    this.ending = null;
    this.watchers = [];
    socket.on('message', (data, binary) => this.changed(() => this.received.push(digest(binary ? 'binary' : 'text', data))));
    socket.on('close', (code, reason) => this.changed(() => { this.ending = { code, reason: reason.toString() }; }));
    socket.on('error', () => {}); // 'close' follows
  }

  changed(change) {
    change();
    for (const w of this.watchers.splice(0)) w();
  }

  // until waits until get returns something, after any change.
  async until(get) {
    for (;;) {
      const v = get();
      if (v) return v;
      if (this.ending) throw new Error(`the connection has ended with ${this.ending.code}`);
      await new Promise((resolve) => this.watchers.push(resolve));
    }
  }

  write(data, options) {
    return new Promise((resolve, reject) => this.socket.send(data, options, (err) => (err ? reject(err) : resolve())));
  }

  async ping() {
    const payload = randomBytes(125);
    const answered = new Promise((resolve, reject) => {
      const onPong = (data) => {
        if (!data.equals(payload)) return;
        this.socket.off('pong', onPong);
        resolve();
      };
      this.socket.on('pong', onPong);
      this.socket.on('close', () => reject(new Error('closed before the pong')));
    });
    this.socket.ping(payload);
    await answered;
  }

  async send(message) {
    const binary = message.type === 'binary';
    for (const [i, part] of message.parts.entries()) {
      await this.write(bytes(part), { binary, fin: i === message.parts.length - 1 });
      if (i === 0 && message.pingBetween) await this.ping();
    }
  }

  async flood() {
    const data = Buffer.alloc(65536, 7);
    try {
      while (this.socket.readyState === WebSocket.OPEN) {
        await this.write(data);
        await new Promise(setImmediate); // sending alone may never let the loop read
      }
    } catch {
      // The connection has ended.
    }
  }
}

function bytes(part) {
  const unit = Buffer.from(part.unit, 'base64');
  return part.times === 1 ? unit : Buffer.alloc(unit.length * part.times, unit);
}

function digest(type, data) {
  return {
    type,
    size: data.length,
    sum: createHash('sha256').update(data).digest('hex'),
    head: data.subarray(0, 32).toString('base64'),
  };
}

const peers = new Map(); // by connection
const listeners = new Map(); // { server, arrived: a promise of the peer }

const operations = {
  async listen({ conn, protocols = [], origins = [], limit }) {
    const server = http.createServer();
    const wss = new WebSocketServer({
      server,
      maxPayload: limit,
      handleProtocols: (offered) => protocols.find((p) => offered.has(p)) ?? false,
      verifyClient: ({ origin }, answer) => answer(!origin || origins.includes(origin), 403),
    });
    const arrived = new Promise((resolve) => wss.once('connection', (socket) => resolve(new Peer(socket))));
    listeners.set(conn, { server, arrived });
    await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return { port: server.address().port };
  },
  async accept({ conn }) {
    const peer = await listeners.get(conn).arrived;
    peers.set(conn, peer);
    return { protocol: peer.socket.protocol };
  },
  async dial({ conn, url, protocols = [], origin, limit }) {
    const socket = new WebSocket(url, protocols, { maxPayload: limit, ...(origin ? { origin } : {}) });
    const peer = new Peer(socket);
    return new Promise((resolve) => {
      socket.once('open', () => {
        peers.set(conn, peer);
        resolve({ protocol: socket.protocol });
      });
      socket.once('unexpected-response', (request, response) => {
        request.destroy();
        resolve({ status: response.statusCode, error: 'refused' });
      });
      socket.once('error', (err) => resolve({ error: String(err) }));
    });
  },
  async send({ conn, message }) {
    await peers.get(conn).send(message);
  },
  async receive({ conn }) {
    const peer = peers.get(conn);
    return { message: await peer.until(() => peer.received.shift()) };
  },
  async ping({ conn }) {
    await peers.get(conn).ping();
  },
  async flood({ conn }) {
    peers.get(conn).flood();
  },
  async close({ conn, code, reason }) {
    if (code === 1005) peers.get(conn).socket.close();
    else peers.get(conn).socket.close(code, reason);
  },
  async drop({ conn, message }) {
    const peer = peers.get(conn);
    if (message) {
      await peer.write(bytes(message.parts[0]), { binary: message.type === 'binary', fin: false });
      await peer.ping();
    }
    peer.socket.terminate();
  },
  async end({ conn }) {
    const peer = peers.get(conn);
    return peer.until(() => peer.ending);
  },
  async forget({ conn }) {
    peers.get(conn)?.socket.terminate();
    listeners.get(conn)?.server.close();
    peers.delete(conn);
    listeners.delete(conn);
  },
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

say({ hello: `ws ${require('ws/package.json').version}, Node ${process.version}` });
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const request = JSON.parse(line);
  try {
    say({ id: request.id, ...(await operations[request.op](request)) });
  } catch (err) {
    say({ id: request.id, error: String(err) });
  }
});
lines.on('close', () => process.exit(0));
