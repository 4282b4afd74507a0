"""A small fast HTTP server to measure the gateway against: `python -m bench.upstream PORT`.

`GET /anything` answers 200 with 300 bytes of JSON; `/big/N` streams N bytes; a POST is read and answered with its size.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
import uvloop

BODY = b'{"results":[' + b'{"id":1,"name":"a small object of a small list"},' * 5 + b"{}]}"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
BLOCK = bytes(256 << 10)


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.parser = httptools.HttpRequestParser(self)
        self.size = 0
        self.url = b""
        self.left = 0
        self.paused = False

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.size += len(body)

    def on_message_complete(self) -> None:
        if self.url.startswith(b"/big/"):
            self.left = int(self.url[5:])
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n" % self.left)
            self.pour()
        elif self.size:
            text = b'{"bytes":%d}' % self.size
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        else:
            self.transport.write(ANSWER)
        self.url, self.size = b"", 0

    def pour(self) -> None:
        while self.left and not self.paused:
            piece = BLOCK[: min(self.left, len(BLOCK))]
            self.left -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.pour()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
