"""A real web server for the tests: it answers by path, in good and in bad ways."""

import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class Pages:
    """What the server answers by path, and what it was asked."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> str:
        """The address of a path."""
        return f"{self.address}{path}"


class Handler(BaseHTTPRequestHandler):
    """Looks up the path and lets its answer do the rest."""

    protocol_version = "HTTP/1.1"
    pages: Pages

    def do_GET(self) -> None:
        self.pages.asked[self.path] += 1
        self.pages.headers.append(dict(self.headers))
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pages.answers.get(self.path, status(404))(self)

    def log_message(self, *parts: Any) -> None:
        """Nothing."""

    def give(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Type": "text/html", "Content-Length": str(len(body))} | named).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def page(text: str, **headers: str) -> Answer:
    """A page as it should be."""
    return lambda handler: handler.give(200, text.encode(), **headers)


def status(code: int, **headers: str) -> Answer:
    """Nothing but a status."""
    return lambda handler: handler.give(code, b"no", **headers)


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other; the last stays."""
    left = list(answers)

    def answer(handler: Handler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return answer


def dripping(piece: bytes, pause: float) -> Answer:
    """A page that never ends, a piece at a time."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        while not handler.pages.stop.is_set():
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def silent() -> Answer:
    """A server that takes the question and says nothing."""

    def answer(handler: Handler) -> None:
        handler.pages.stop.wait(20)
        handler.close_connection = True

    return answer


def cut(text: str) -> Answer:
    """A page that ends before the length it declared."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(text) + 1000))
        handler.end_headers()
        handler.wfile.write(text.encode())
        handler.close_connection = True

    return answer


def bomb(megabytes: int) -> Answer:
    """A small packed page that unpacks to a great one."""
    packed = gzip.compress(bytes(megabytes << 20))
    return lambda handler: handler.give(200, packed, Content_Encoding="gzip")


def hung_up() -> Answer:
    """A server that closes the line."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.connection.close()

    return answer


@contextmanager
def page_server() -> Iterator[Pages]:
    """The server on a port of this machine, until the block ends."""
    pages = Pages()
    handler = type("Bound", (Handler,), {"pages": pages})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    pages.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        pages.stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
