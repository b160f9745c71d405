"""Receivers of webhooks for the tests: real HTTP servers on this machine, which answer as they are told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answering = Callable[[BaseHTTPRequestHandler], None]
Answer = int | Answering


@dataclass(frozen=True)
class Post:
    """One POST that came in; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A server that gives `answers` in their order, then what `otherwise` says; `accepted` are the posts it took."""

    answers: deque[Answer] = field(default_factory=deque)
    otherwise: Callable[[Post], Answer] = lambda post: 200
    posts: list[Post] = field(default_factory=list)
    accepted: list[Post] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    port: int = 0
    scheme: str = "http"
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The ids of the letters that it took."""
        return [p.id for p in self.accepted]


@contextmanager
def listening(*answers: Answer, port: int = 0, certificate: Path | None = None) -> Iterator[Receiver]:
    """Run a receiver; `certificate` is a file with key and certificate, for TLS."""
    receiver = Receiver(deque(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            post = Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with receiver.lock:
                receiver.posts.append(post)
                receiver.connections.add(self.client_address)
                answer = receiver.answers.popleft() if receiver.answers else receiver.otherwise(post)
                if answer == 200:
                    receiver.accepted.append(post)
            answering = status(answer) if isinstance(answer, int) else answer
            answering(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    with Server(("localhost", port), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            receiver.scheme = "https"
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("localhost", 0)) as taken:
        return int(taken.getsockname()[1])


def status(code: int, text: str = "ok", **headers: str) -> Answering:
    """Answer with a status; underscores in the names of headers stand for hyphens."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        with suppress(OSError):  # who has the status may not want the rest
            handler.wfile.write(text.encode())

    return answer


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Break the connection off without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def silent_until(event: threading.Event) -> Answering:
    """Say nothing until the test is over."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        event.wait(30)
        handler.close_connection = True

    return answer


def dripping_until(event: threading.Event) -> Answering:
    """Answer with a status and a header that never ends, byte by byte: no timeout of a socket comes to pass."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
        while not event.wait(0.05):
            handler.wfile.write(b"y")

    return answer
