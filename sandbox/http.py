"""Requests and answers as the sandbox's pages see them, free of sockets."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlsplit

JsonObject = Mapping[str, object]

_SYNC_STATE = re.compile(rb"<(?:\w+:)?SyncState>[^<]")
_OPERATION = re.compile(rb"<(?:\w+:)?Body\b[^>]*>\s*<(?:\w+:)?(\w+)")
_HEAD = 64 * 1024


class HttpError(Exception):
    """An answer that is an error. ``code`` and ``message`` go into an OData error body."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Connection:
    """What NTLM keeps of one connection: the bytes it challenged with, and who proved to be."""

    challenge: bytes = b""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    connection: Connection = field(default_factory=Connection)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def segments(self) -> list[str]:
        """The path's segments, each decoded; a function's empty brackets are dropped."""
        parts = self.path.strip("/").split("/")
        return [unquote(part).removesuffix("()") for part in parts]

    @property
    def query(self) -> dict[str, str]:
        """Names in lower case: OData's are case-insensitive."""
        pairs = parse_qsl(urlsplit(self.target).query, keep_blank_values=True)
        return {name.lower(): value for name, value in pairs}

    @property
    def name(self) -> str:
        """``METHOD /decoded/path``, with the operation's name behind it in a call of SOAP."""
        where = f"{self.method} /{'/'.join(self.segments)}"
        found = _OPERATION.search(self.body, 0, _HEAD) if self.body.startswith(b"<") else None
        return f"{where} {found[1].decode('ascii')}" if found else where

    @property
    def resumes(self) -> bool:
        """Whether it goes on from a token that an earlier answer gave."""
        if self.body.startswith(b"<"):
            return _SYNC_STATE.search(self.body, 0, _HEAD) is not None
        return not self.query.keys().isdisjoint(("$deltatoken", "$skiptoken"))

    @property
    def base_url(self) -> str:
        return f"https://{self.headers.get('host', '127.0.0.1')}"

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises HttpError 400."""
        try:
            body = json.loads(self.body)
        except ValueError as error:
            raise HttpError(400, "BadRequest", f"Unable to read JSON: {error}") from error
        if not isinstance(body, dict):
            raise HttpError(400, "BadRequest", "The body is not a JSON object.")
        return body


@dataclass(slots=True)
class Response:
    status: int = 200
    pieces: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    """Break the connection instead of answering."""
    seconds: float = 0.0
    """How long sending the body takes."""

    @property
    def length(self) -> int:
        return sum(len(piece) for piece in self.pieces)


def json_response(
    body: JsonObject, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    text = json.dumps(body, ensure_ascii=False).encode()
    return Response(status, [text], {"Content-Type": "application/json", **(headers or {})})


def error_response(error: HttpError) -> Response:
    """The error as Graph words it (OData error response); a redirect has no body."""
    if "Location" in error.headers:
        return Response(error.status, [], error.headers)
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": str(uuid.uuid4()),
    }
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return json_response(body, error.status, error.headers)
