"""HTTP to Graph: sign-in, waiting when asked to, trying again, and what an error means."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx

from backups.sources.addresses import is_loopback, root_url, tls_context
from backups.sources.errors import CursorExpired, Retry, SourceError, Throttled, Unavailable
from backups.sources.graph.problems import (
    BrokenAnswer,
    Problem,
    lasting_error,
    read_problem,
)
from backups.sources.graph.settings import GraphSettings, Patience
from backups.sources.pacing import Gate, Pace
from backups.sources.packs import TooMuch
from backups.sources.times import retry_after
from backups.sources.tokens import Tokens

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
JsonObject = dict[str, object]

VERSION = "/v1.0"
BETA = "/beta"
_MOVED = frozenset({307, 308})
_HOPS = 3
_TIMEOUT = httpx.Timeout(300.0, connect=15.0)
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=30.0)


class _HideSecrets(logging.Filter):
    """httpx logs whole URLs, and an import URL is a secret: whoever has it can write."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{url.scheme}://{url.host}{url.path}" if isinstance(url, httpx.URL) else url
                for url in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_HideSecrets())


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor``: target of the next page, or of the next round when ``complete``."""

    entities: list[JsonObject]
    cursor: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of Graph.

    ``target`` is path and query below the host; ``what`` says in a message what it was for,
    ``permission`` what it takes. ``divisible``: 413, 504 and timeouts raise TooMuch, because less
    could be asked for. ``cursor``: the target came from a delta link. Not ``repeatable``: done
    again only when the server says that it did nothing. ``mailbox``: whose limits it counts to.
    """

    method: str
    target: str
    what: str
    permission: str
    mailbox: str = ""
    body: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    divisible: bool = False
    cursor: bool = False
    repeatable: bool = True
    attempts: int | None = None


class BrokenListing(Retry):
    """The server answers, and what it answers is no whole page, also when asked again."""


class _Moved(Exception):
    """What a call is about is at another target on Graph's host."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class _Failure(Exception):
    """One attempt failed; another may not. ``wait``: seconds that the server asked for."""

    def __init__(
        self,
        error: SourceError,
        *,
        undone: bool = False,
        wait: float | None = None,
        throttled: bool = False,
        sign_in: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.undone = undone
        self.wait = wait
        self.throttled = throttled
        self.sign_in = sign_in


class Transport:
    """Carries calls to one organization. Safe to use from threads."""

    def __init__(
        self, settings: GraphSettings, patience: Patience, gate: Gate | None = None
    ) -> None:
        self.requests = 0
        self.throttled_seconds = 0.0
        self._waited_until = 0.0
        self._pace = Pace(gate, patience.now)
        self._root = root_url(settings.graph_url)
        self._patience = patience
        self._counting = threading.Lock()
        self._tokens = Tokens(settings.sign_in)
        self._client = httpx.Client(
            verify=tls_context(settings.trust_pem),
            timeout=_TIMEOUT,
            limits=_LIMITS,
            trust_env=not is_loopback(settings.graph_url),
            headers={"Accept": "application/json", "User-Agent": "Stowage"},
        )

    def close(self) -> None:
        self._client.close()
        self._tokens.close()

    def fresh_token(self) -> str:
        """A token signed in for just now. Raises NotPermitted, Unavailable."""
        return self._tokens.bearer(fresh=True)

    def json(self, call: Call) -> JsonObject:
        """The JSON object that answers a call. Raises SourceError; TooMuch when divisible."""
        return self.send(call, read_json)

    def nothing(self, call: Call) -> None:
        """A call that is answered without a body."""
        self.send(call, lambda response: None)

    def pages(self, call: Call, *, delta: bool) -> Iterator[Page]:
        """The pages of a collection from a call on.

        A delta round that ends with neither link raises Retry: it is not known to be whole.
        """
        while True:
            body = self.json(call)
            page = self._page(body, call.what)
            if delta and not page.cursor:
                reason = "the answer ends without a link to go on from"
                raise BrokenListing(f"{call.what}: {reason}")
            yield page
            if page.complete:
                return
            if page.cursor == call.target:
                raise Unavailable(f"{call.what}: the server goes round in circles")
            call = replace(call, target=page.cursor, cursor=delta)

    def send(
        self,
        call: Call,
        read: Callable[[httpx.Response], Answer],
        *,
        prepare: Callable[[Call], httpx.Request] | None = None,
        renew: Callable[[], object] | None = None,
    ) -> Answer:
        """Make a call, as often as patience allows, and ``read`` its answer.

        ``prepare`` makes a request that is not Graph's own, ``renew`` gets a new right to make it
        when the server no longer accepts the old one (once).
        """
        renewals = [renew or self.fresh_token]
        attempts = call.attempts or self._patience.attempts
        attempt = hops = 0
        while True:
            try:
                return self._attempt(call, read, prepare or self._graph_request)
            except _Moved as moved:
                hops += 1
                if hops > _HOPS:
                    raise Unavailable(f"{call.what}: the server sends us round") from moved
                call = replace(call, target=moved.target)
            except _Failure as failure:
                if failure.sign_in and renewals:
                    renewals.pop()()
                    continue
                attempt += 1
                final = failure.sign_in or attempt >= attempts
                if final or not (call.repeatable or failure.undone):
                    raise failure.error from failure.__cause__
                self._wait(failure, attempt)

    def request(
        self, method: str, url: str, content: Iterable[bytes], length: int
    ) -> httpx.Request:
        """A request to an address that carries its own right: no Authorization header."""
        headers = {"Content-Type": "application/json", "Content-Length": str(length)}
        return self._client.build_request(method, url, content=content, headers=headers)

    def _graph_request(self, call: Call) -> httpx.Request:
        try:
            headers = {**call.headers, "Authorization": f"Bearer {self._tokens.bearer()}"}
        except Unavailable as error:
            raise _Failure(error, undone=True) from error
        content = None
        if call.body is not None:
            content = json.dumps(call.body).encode()
            headers["Content-Type"] = "application/json"
        return self._client.build_request(
            call.method, f"{self._root}{call.target}", content=content, headers=headers
        )

    def _attempt(
        self,
        call: Call,
        read: Callable[[httpx.Response], Answer],
        prepare: Callable[[Call], httpx.Request],
    ) -> Answer:
        request = prepare(call)
        self._admit(call, int(request.headers.get("Content-Length", 0)))
        with self._counting:
            self.requests += 1
        try:
            response = self._client.send(request, stream=True)
            try:
                if response.is_success:
                    return read(response)
                if response.status_code in _MOVED and prepare == self._graph_request:
                    raise _Moved(self.target_of(response.headers.get("Location", ""), call.what))
                problem = read_problem(response.status_code, response.read())
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            message = f"{call.what}: the server can't be reached ({error or 'timed out'})"
            raise _Failure(Unavailable(message), undone=True) from error
        except httpx.TimeoutException as error:
            if call.divisible:
                raise TooMuch from error
            raise _Failure(Retry(f"{call.what}: no answer in time")) from error
        except (httpx.RequestError, BrokenAnswer) as error:
            reason = str(error) or type(error).__name__
            kind = BrokenListing if isinstance(error, BrokenAnswer) else Retry
            raise _Failure(kind(f"{call.what}: the answer broke off ({reason})")) from error
        raise self._failure(call, problem, retry_after(response.headers))

    def _failure(self, call: Call, problem: Problem, wait: float | None) -> Exception:
        """What to raise for an answer that is an error."""
        status, what = problem.status, call.what
        lasting = lasting_error(problem, what, call.permission, cursor=call.cursor)
        if status == 401:
            return _Failure(lasting, undone=True, sign_in=True)
        if status in (429, 503):
            longest = self._patience.longest_wait
            throttled = Throttled(f"{what}: the server asks to wait ({problem})", wait or longest)
            if wait is not None:
                self._pace.hold(call.mailbox, wait)
            if wait is not None and wait > longest:
                return throttled
            busy = Unavailable(f"{what}: the server is busy ({problem})")
            asked = status == 429 or wait is not None
            error = throttled if asked else busy
            return _Failure(error, undone=True, wait=wait, throttled=asked)
        if call.divisible and status in (408, 413, 504):
            return TooMuch()
        if status == 408 or status >= 500:
            return _Failure(Retry(f"{what}: the server failed ({problem})"))
        return lasting

    def _wait(self, failure: _Failure, attempt: int) -> None:
        seconds = failure.wait
        if seconds is None:
            doubled = self._patience.first_wait * 2 ** (attempt - 1)
            # Jitter, so that workers that were refused together don't come back together.
            seconds = min(doubled * random.uniform(0.5, 1.5), self._patience.longest_wait)  # noqa: S311
        logger.info("waiting %.1f s: %s", seconds, failure.error)
        if failure.throttled:
            self._count_wait(seconds)
        self._patience.sleep(seconds)

    def _admit(self, call: Call, upload: int) -> None:
        """Wait until the limits allow a request. Raises Throttled when that takes too long."""
        while (seconds := self._pace.wait(call.mailbox, upload)) > 0:
            if seconds > self._patience.longest_wait:
                limit = "mailbox" if call.mailbox else "application"
                raise Throttled(f"{call.what}: the limit of requests of the {limit}", seconds)
            self._count_wait(seconds)
            self._patience.sleep(seconds)

    def _count_wait(self, seconds: float) -> None:
        """Several threads that wait for the same thing wait once."""
        with self._counting:
            now = self._patience.now()
            until = now + seconds
            self.throttled_seconds += max(0.0, until - max(now, self._waited_until))
            self._waited_until = max(self._waited_until, until)

    def _page(self, body: JsonObject, what: str) -> Page:
        entities = body.get("value")
        if not isinstance(entities, list) or not all(isinstance(one, dict) for one in entities):
            raise Unavailable(f"{what}: the answer is not a collection")
        following, last = body.get("@odata.nextLink"), body.get("@odata.deltaLink")
        link = following or last
        cursor = self.target_of(link, what) if isinstance(link, str) and link else ""
        return Page(entities, cursor, complete=not following)

    def target_of(self, link: str, what: str) -> str:
        """Path and query of a link, which must be on Graph's own host: it gets our token.

        Raises Unavailable for any other.
        """
        parts, own = urlsplit(link), urlsplit(self._root)
        if (parts.scheme, parts.netloc.lower()) != (own.scheme, own.netloc.lower()):
            raise Unavailable(f"{what}: the server's link leads to another host, {parts.hostname}")
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def resumed(cursor: str | None, start: str) -> str:
    """The target that a kept cursor stands for, or where to start without one.

    A cursor that is no path on Graph's host, whoever wrote it, is as good as expired.
    """
    if cursor is None:
        return start
    if not cursor.startswith((f"{VERSION}/", f"{BETA}/")):
        raise CursorExpired("the kept cursor is not one of Graph")
    return cursor


def path(*segments: str, query: Mapping[str, str] | None = None, version: str = VERSION) -> str:
    """A target below ``/v1.0`` or ``/beta``; segments and options are escaped here."""
    joined = "/".join(quote(segment, safe=":@=$") for segment in segments)
    options = "&".join(f"{name}={quote(value, safe=',')}" for name, value in (query or {}).items())
    return f"{version}/{joined}" + (f"?{options}" if options else "")


def read_json(response: httpx.Response) -> JsonObject:
    """The body as a JSON object. Raises BrokenAnswer."""
    try:
        body = json.loads(response.read())
    except ValueError as error:
        raise BrokenAnswer(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BrokenAnswer("not a JSON object")
    return body
