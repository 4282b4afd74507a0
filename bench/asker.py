"""One client in a process of its own: asks what it is told to, and says how long each answer took.

`python -m bench.asker HOST PORT` reads requests, one a line in base64, and prints a line for each: status, bytes of the
body, milliseconds from the first byte sent to the last one read.
"""

from __future__ import annotations

import base64
import socket
import sys
import time


def answer_of(connection: socket.socket) -> tuple[int, int]:
    """Status and size of the body of one answer, read to its end."""
    data = b""
    while (split := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection)
    head, size = data[:split].lower(), len(data) - split - 4
    status = int(head[9:12])
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        while size < length:
            size += len(_more(connection))
        return status, size
    tail = data[-5:]
    while tail != b"0\r\n\r\n":
        more = _more(connection)
        size += len(more)
        tail = (tail + more)[-5:]
    return status, size


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 20)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def main(host: str, port: int) -> None:
    """Serve until standard input ends."""
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for line in sys.stdin:
        request = base64.b64decode(line)
        started = time.perf_counter()
        connection.sendall(request)
        status, size = answer_of(connection)
        print(status, size, (time.perf_counter() - started) * 1000, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
