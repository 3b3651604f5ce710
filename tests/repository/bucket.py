"""A bucket for tests: moto's server in a process of its own, and a front that misbehaves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from backups.repository.objects import ObjectStoreBackend, Patience

PAGE = 4
"""Keys on one page of a listing."""

BUCKET = "backups"
QUICK = Patience(attempts=3, first_pause=0.001, longest_pause=0.001, transfer=20, silence=20)
CREDENTIALS = {"access_key_id": "an-id", "secret_access_key": "a-secret"}
_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Fault(Enum):
    REFUSE = auto()
    """500, and nothing was done."""
    LOSE_ANSWER = auto()
    """Done, and 500."""
    ARRIVE_LATE = auto()
    """500, and it is done before the next request of its kind."""
    HANG_UP = auto()
    """Done, and the connection is closed without an answer."""
    CUT_OFF = auto()
    """Half of the content is kept, and 200."""
    CUT_OFF_AND_LOSE_ANSWER = auto()
    """Half of the content is kept, and 500."""
    UNCONDITIONAL = auto()
    """Conditions are not looked at."""
    STALL = auto()
    """No answer at all until the front is closed."""
    SHORT_ANSWER = auto()
    """Half of the answer's content, then the connection is closed."""
    DENY = auto()
    CONFLICT = auto()
    """409, as S3 while another request for the name is under way."""
    SLOW_DOWN = auto()
    TOO_MANY = auto()
    FULL = auto()
    FIRST_PAGE_AGAIN = auto()
    LAST_PAGE_TOO_EARLY = auto()


_ANSWERS = {
    Fault.REFUSE: (500, "InternalError"),
    Fault.LOSE_ANSWER: (500, "InternalError"),
    Fault.ARRIVE_LATE: (500, "InternalError"),
    Fault.CUT_OFF_AND_LOSE_ANSWER: (500, "InternalError"),
    Fault.DENY: (403, "AccessDenied"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict"),
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.TOO_MANY: (429, "TooManyRequests"),
    Fault.FULL: (507, "XMinioStorageFull"),
}
_UNDONE = (
    Fault.ARRIVE_LATE,
    Fault.REFUSE,
    Fault.DENY,
    Fault.CONFLICT,
    Fault.SLOW_DOWN,
    Fault.TOO_MANY,
    Fault.FULL,
)
PASSING = (
    Fault.REFUSE,
    Fault.LOSE_ANSWER,
    Fault.ARRIVE_LATE,
    Fault.HANG_UP,
    Fault.CUT_OFF,
    Fault.CUT_OFF_AND_LOSE_ANSWER,
    Fault.CONFLICT,
    Fault.SLOW_DOWN,
    Fault.TOO_MANY,
)
"""What an upload gets over by being tried again."""

_CUT = (Fault.CUT_OFF, Fault.CUT_OFF_AND_LOSE_ANSWER)


def backend_at(front: Front, prefix: str, patience: Patience = QUICK) -> ObjectStoreBackend:
    return ObjectStoreBackend.s3(
        BUCKET,
        prefix,
        endpoint=front.url,
        region="us-east-1",
        credentials=CREDENTIALS,
        patience=patience,
    )


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of a store with nothing in it."""
    environment = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as server:
        assert server.stderr is not None
        try:
            lines = (re.search(r"Running on (http://\S+)", line) for line in server.stderr)
            address = next(found[1] for found in lines if found)
            # Its log must not fill the pipe.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield address
        finally:
            server.terminate()


@dataclass
class Front:
    """Stands between a client and a store, and does as it is told to the next requests."""

    store: str
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)
    orders: list[tuple[str, str, Fault]] = field(default_factory=list)
    """What has not been asked for yet: method, part of the address, fault."""
    late: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def order(self, fault: Fault, request: str, *, times: int = 1) -> None:
        """``request`` is a method and a part of the address, as in ``PUT /packs/``."""
        method, _, part = request.partition(" ")
        self.orders += [(method, part, fault)] * times

    def make_bucket(self, name: str) -> None:
        status, _, _ = self.forward("PUT", f"/{name}", {"Authorization": _REGION}, b"")
        assert status == 200

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(urlsplit(self.store).netloc, timeout=20)
        try:
            connection.request(method, path, body, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def next_order(self, method: str, path: str) -> Fault | None:
        for number, (wanted, part, fault) in enumerate(self.orders):
            if wanted == method and part in path:
                del self.orders[number]
                return fault
        return None


_REGION = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"


@contextmanager
def front_of(store: str) -> Iterator[Front]:
    front = Front(store)

    handler = type("Handler", (_Handler,), {"front": front})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    front.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.02,))
    serving.start()
    try:
        yield front
    finally:
        front.closing.set()
        server.shutdown()
        serving.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    front: Front
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def answer(self) -> None:
        front = self.front
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        front.requests.append(f"{self.command} {self.path}")
        headers = dict(self.headers.items())
        front.headers.append(headers)
        fault = front.next_order(self.command, self.path)
        for late in [late for late in front.late if late[0] == self.command]:
            front.late.remove(late)
            front.forward(*late)
        if fault is Fault.ARRIVE_LATE:
            front.late.append((self.command, self.path, headers, body))
        if fault is Fault.STALL:
            front.closing.wait()
            self.close_connection = True
            return
        if fault in _CUT:
            body = body[: len(body) // 2]
            headers = {k: v for k, v in headers.items() if "sha256" not in k.lower()}
        if fault is Fault.UNCONDITIONAL:
            headers = {k: v for k, v in headers.items() if k.lower() != "if-none-match"}
        path = self.path
        if fault is Fault.FIRST_PAGE_AGAIN:
            path = re.sub(r"&?continuation-token=[^&]*", "", path)
        status, told, content = 0, {}, b""
        if fault not in _UNDONE:
            status, told, content = front.forward(self.command, path, headers, body)
        if fault is Fault.HANG_UP:
            self.close_connection = True
            return
        if fault is Fault.LAST_PAGE_TOO_EARLY:
            content = content.replace(b">true</IsTruncated>", b">false</IsTruncated>")
        if fault in _ANSWERS:
            status, code = _ANSWERS[fault]
            told, content = {}, f"<Error><Code>{code}</Code></Error>".encode()
        self._send(status, told, content, cut=fault is Fault.SHORT_ANSWER)

    def _send(self, status: int, told: dict[str, str], content: bytes, *, cut: bool) -> None:
        self.send_response_only(status)
        for name, value in told.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = str(len(content))
        if self.command == "HEAD":
            length = next((v for k, v in told.items() if k.lower() == "content-length"), "0")
            content = b""
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass
