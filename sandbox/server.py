"""A threaded HTTP/1.1 server over TLS on the loopback address, from the standard library.

One thread per connection; connections are kept alive. Made for bodies of hundreds of megabytes
in both directions, for breaking connections on purpose and for stopping at once.
"""

from __future__ import annotations

import logging
import os
import socket
import socketserver
import ssl
import struct
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

from sandbox.http import Connection, HttpError, Request, Response, error_response

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
_IDLE_SECONDS = 300.0
_HANDSHAKE_SECONDS = 10.0
_SLOW_PARTS = 20
_MAX_BODY = 512 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Page = Callable[[Request], Response]


class TlsServer(socketserver.ThreadingMixIn, HTTPServer):
    """Serves one page function. ``port`` 0 takes a free port; ``url`` says which."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, context: ssl.SSLContext, page: Page) -> None:
        self.page = page
        self._context = context
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.server_address[1]}"

    def server_bind(self) -> None:
        """As HTTPServer's, without the reverse look-up of the host's name."""
        socketserver.TCPServer.server_bind(self)

    def finish_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Shake hands in the connection's own thread, so that a slow client blocks nobody."""
        assert isinstance(request, socket.socket)  # noqa: S101
        try:
            request.settimeout(_HANDSHAKE_SECONDS)
            with self._context.wrap_socket(request, server_side=True) as connection:
                _Handler(connection, client_address, self)
        except (OSError, ValueError) as error:
            logger.debug("connection ended: %s", error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: TlsServer

    def setup(self) -> None:
        super().setup()
        self._known = Connection()

    def _answer(self) -> None:
        try:
            body = self._read_body()
        except HttpError as error:
            self.close_connection = True
            self._send(error_response(error))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, self._known)
        try:
            response = self.server.page(request)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            response = error_response(HttpError(500, "InternalServerError", "See the log."))
        if response.reset:
            self._reset()
        else:
            self._send(response)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY:
            raise HttpError(413, "RequestEntityTooLarge", "The request is too large.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise HttpError(400, "BadRequest", "The body ended early.")
        return body

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline(8)
            if len(body) > _MAX_BODY:
                raise HttpError(413, "RequestEntityTooLarge", "The request is too large.")
        while self.rfile.readline(65536).strip():
            pass
        return bytes(body)

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        if "Date" not in response.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(response.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if response.seconds:
            self._spread(response)
            return
        for piece in response.pieces:
            self.wfile.write(piece)
        self.wfile.flush()

    def _spread(self, response: Response) -> None:
        """Send the body in equal parts with a pause before each."""
        body = b"".join(response.pieces)
        size = len(body) // _SLOW_PARTS + 1
        for start in range(0, len(body), size):
            time.sleep(response.seconds / _SLOW_PARTS)
            self.wfile.write(body[start : start + size])
            self.wfile.flush()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:
        """The path only: the query of an import URL is a secret."""
        logger.debug("%s %s", self.command, self.path.partition("?")[0])
