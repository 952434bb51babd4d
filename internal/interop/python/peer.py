"""Python's websockets as a peer.

It reads requests from standard input, one JSON object a line, and answers each with a line. The first line it writes
says what it is. It ends when its standard input does. The legacy half of the library is used, by name, because that is
what Debian 12 has under any name and what later versions still have under this one.
"""

import asyncio
import base64
import hashlib
import json
import os
import platform
import sys

import websockets.exceptions
import websockets.version
from websockets.frames import Close, Opcode
from websockets.legacy.client import connect
from websockets.legacy.server import serve


def data_of(part):
    return base64.b64decode(part["unit"]) * part["times"]


def digest(message):
    text = isinstance(message, str)
    data = message.encode() if text else message
    return {
        "type": "text" if text else "binary",
        "size": len(data),
        "sum": hashlib.sha256(data).hexdigest(),
        "head": base64.b64encode(data[:32]).decode(),
    }


class Peer:
    """One end of a connection, with what came and how it ended."""

    def __init__(self, socket):
        self.socket = socket
        self.received = asyncio.Queue()
        self.flooding = None
        self.reading = asyncio.ensure_future(self.read())

    async def read(self):
        try:
            while True:
                self.received.put_nowait(digest(await self.socket.recv()))
        except websockets.exceptions.ConnectionClosed:
            pass
        await self.socket.wait_closed()

    async def receive(self):
        get = asyncio.ensure_future(self.received.get())
        await asyncio.wait({get, self.reading}, return_when=asyncio.FIRST_COMPLETED)
        if get.done():
            return get.result()
        get.cancel()
        if not self.received.empty():
            return self.received.get_nowait()
        raise EOFError(f"the connection has ended with {self.socket.close_code}")

    async def ping(self):
        await (await self.socket.ping(os.urandom(125)))

    async def fragment(self, message, number, fin):
        first = Opcode.BINARY if message["type"] == "binary" else Opcode.TEXT
        await self.socket.write_frame(fin, first if number == 0 else Opcode.CONT, data_of(message["parts"][number]))

    async def send(self, message):
        parts = message["parts"]
        if len(parts) == 1:
            data = data_of(parts[0])
            await self.socket.send(data if message["type"] == "binary" else data.decode())
            return
        for i in range(len(parts)):
            await self.fragment(message, i, i == len(parts) - 1)
            if i == 0 and message.get("pingBetween"):
                await self.ping()

    async def flood(self):
        try:
            while True:
                await self.socket.send(b"\x07" * 65536)
                await asyncio.sleep(0)  # sending alone may never let the loop read
        except websockets.exceptions.ConnectionClosed:
            pass


peers = {}
listeners = {}


async def listen(conn, protocols=(), origins=(), limit=None):
    arrived = asyncio.get_running_loop().create_future()

    async def handler(socket):
        peer = Peer(socket)
        arrived.set_result(peer)
        await peer.reading

    server = await serve(
        handler, "127.0.0.1", 0, subprotocols=protocols or None, origins=[None, *origins], max_size=limit, ping_interval=None
    )
    listeners[conn] = (server, arrived)
    return {"port": server.sockets[0].getsockname()[1]}


async def accept(conn):
    peers[conn] = await listeners[conn][1]
    return {"protocol": peers[conn].socket.subprotocol or ""}


async def dial(conn, url, protocols=(), origin=None, limit=None):
    try:
        socket = await connect(url, subprotocols=protocols or None, origin=origin, max_size=limit, ping_interval=None)
    except websockets.exceptions.InvalidStatusCode as err:
        return {"status": err.status_code, "error": str(err)}
    peers[conn] = Peer(socket)
    return {"protocol": socket.subprotocol or ""}


async def send(conn, message):
    await peers[conn].send(message)


async def receive(conn):
    return {"message": await peers[conn].receive()}


async def ping(conn):
    await peers[conn].ping()


async def flood(conn):
    peers[conn].flooding = asyncio.ensure_future(peers[conn].flood())


async def close(conn, code, reason=""):
    socket = peers[conn].socket
    if code == 1005:
        await socket.write_close_frame(Close(1005, ""), b"")
    else:
        await socket.close(code, reason)


async def drop(conn, message=None):
    peer = peers[conn]
    if message:
        await peer.fragment(message, 0, False)
        await peer.ping()
    peer.socket.transport.abort()


async def end(conn):
    peer = peers[conn]
    await peer.reading
    return {"code": peer.socket.close_code, "reason": peer.socket.close_reason}


async def forget(conn):
    if conn in peers:
        peers.pop(conn).socket.transport.abort()
    if conn in listeners:
        listeners.pop(conn)[0].close()


OPERATIONS = {f.__name__: f for f in (listen, accept, dial, send, receive, ping, flood, close, drop, end, forget)}


def say(line):
    print(json.dumps(line), flush=True)


async def answer(request):
    number, op = request.pop("id"), request.pop("op")
    try:
        say({"id": number, **(await OPERATIONS[op](**request) or {})})
    except Exception as err:
        say({"id": number, "error": f"{type(err).__name__}: {err}"})


async def main():
    say({"hello": f"websockets {websockets.version.version}, Python {platform.python_version()}"})
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = set()
    while line := await lines.readline():
        task = asyncio.ensure_future(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    os._exit(0)


asyncio.run(main())
