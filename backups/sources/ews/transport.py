"""Calls of EWS: sessions, signing in, and what an answer means.

Nothing sleeps in here. A server that asks for time gets it: the call raises Throttled, and so
does every further one for that mailbox until the time has passed.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import requests
from requests import exceptions as failures
from spnego.exceptions import SpnegoError

from backups.sources.errors import (
    Damaged,
    NotPermitted,
    Refused,
    Retry,
    SourceError,
    Throttled,
    Unavailable,
)
from backups.sources.ews.answers import Answer, BrokenAnswer, Problem, problem_of, read
from backups.sources.ews.problems import BUSY, MISSING, TOO_MUCH, UNSUPPORTED, error_of
from backups.sources.ews.sessions import Sessions
from backups.sources.ews.settings import EwsSettings
from backups.sources.ews.soap import Body, Encoded, envelope
from backups.sources.packs import TooMuch
from backups.sources.times import retry_after

logger = logging.getLogger(__name__)

APPLICATION_ROLE = "full_access_as_app"
"""What an application needs that signs in with a token; it includes impersonation."""
_TIMEOUT = (15.0, 300.0)
_ATTEMPTS = 3
_CHUNK = 256 * 1024
_FIRST_BACK_OFF = 10.0
_LONGEST_BACK_OFF = 300.0


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``content`` is the operation's XML, ``what`` says in a message what it was for.

    ``address`` is the mailbox it is about, "" for none. ``divisible``: raises TooMuch where less
    could be asked for, and BadPart where one item costs all of them. ``optional``: raises
    Unsupported where the server may not have it. Not ``repeatable``: done again only when the
    server did nothing.
    """

    content: str | tuple[str | Encoded, ...]
    what: str
    address: str = ""
    permission: str = ""
    divisible: bool = False
    optional: bool = False
    repeatable: bool = True


class Unsupported(Exception):
    """The server does not know the operation, or does not like how it was asked."""


class BadPart(Exception):
    """The request failed as a whole for one of the items it is about: ``error`` is that one's."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(str(error))
        self.error = error


class _Failure(Exception):
    """One attempt failed; another may not. ``undone``: the server did nothing."""

    def __init__(self, error: SourceError, *, undone: bool = False, sign_in: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.undone = undone
        self.sign_in = sign_in


@dataclass(slots=True)
class BackOff:
    """Until when each mailbox is left alone. Where the server does not say how long, it doubles
    from ten seconds on to five minutes, with jitter."""

    clock: Callable[[], float] = time.monotonic
    asked: float = 0.0
    """Seconds that the server asked for so far, of each mailbox once."""
    _until: dict[str, float] = field(default_factory=dict)
    _refusals: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remaining(self, address: str) -> float:
        with self._lock:
            return max(self._until.get(address, 0.0) - self.clock(), 0.0)

    def refused(self, address: str, seconds: float | None) -> float:
        """The server asked for time; how long that is."""
        with self._lock:
            times = self._refusals.get(address, 0)
            self._refusals[address] = times + 1
            if seconds is None:
                doubled = _FIRST_BACK_OFF * 2 ** min(times, 6)
                # Jitter, so that workers that were refused together don't come back together.
                seconds = min(doubled * random.uniform(0.5, 1.5), _LONGEST_BACK_OFF)  # noqa: S311
            now = self.clock()
            before = max(self._until.get(address, 0.0), now)
            self._until[address] = max(before, now + seconds)
            self.asked += self._until[address] - before
            return seconds

    def answered(self, address: str) -> None:
        with self._lock:
            self._refusals.pop(address, None)


class Transport:
    """Carries calls to one organization's server. Safe to use from threads."""

    def __init__(self, settings: EwsSettings, back_off: BackOff | None = None) -> None:
        self.requests = 0
        self.server_version = ""
        self._settings = settings
        self._sessions = Sessions(settings)
        self._back_off = back_off or BackOff()
        self._counting = threading.Lock()

    @property
    def throttled_seconds(self) -> float:
        return self._back_off.asked

    def close(self) -> None:
        self._sessions.close()

    def sign_in_anew(self) -> None:
        """Forget sessions and tokens, so that the next call proves what is right now."""
        self._sessions.renew()

    def call(self, call: Call) -> Answer:
        """The answer to a call, whose messages may be errors. Raises SourceError, TooMuch."""
        waiting = self._back_off.remaining(call.address)
        if waiting:
            message = f"{call.what}: the server asked to be left alone, {waiting:.0f} s are left"
            raise Throttled(message, waiting)
        attempt, renewed = 0, False
        while True:
            try:
                answer = self._attempt(call)
            except _Failure as failure:
                if failure.sign_in and not renewed:
                    renewed = True
                    self._sessions.renew()
                    continue
                attempt += 1
                final = failure.sign_in or attempt >= _ATTEMPTS
                if final or not (call.repeatable or failure.undone):
                    raise failure.error from failure.__cause__
                logger.info("once more: %s", failure.error)
                continue
            self._back_off.answered(call.address)
            return answer

    def messages(self, call: Call) -> tuple[Answer, list[Element]]:
        """The answer and its response messages. That the server is busy is raised."""
        answer = self.call(call)
        for message in answer.messages:
            problem = problem_of(message)
            if problem and problem.code in BUSY:
                raise self._throttled(call, problem, problem.back_off)
        return answer, answer.messages

    def one(self, call: Call) -> Element:
        """The only response message, which must be a success."""
        _, found = self.messages(call)
        if len(found) != 1:
            raise Unavailable(f"{call.what}: {len(found)} answers to one question")
        problem = problem_of(found[0])
        if problem:
            raise error_of(problem, call.what, call.permission)
        return found[0]

    def _attempt(self, call: Call) -> Answer:
        acting_as = call.address if self._settings.impersonation else ""
        body = envelope(call.content, acting_as)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        if call.address:
            headers["X-AnchorMailbox"] = call.address
        with self._counting:
            self.requests += 1
        try:
            with self._sessions.use() as session, self._post(session, body, headers) as response:
                answer = self._read(call, response)
        except (failures.SSLError, failures.ProxyError) as error:
            raise Unavailable(f"{call.what}: {_reason(error)}") from error
        except (failures.Timeout, failures.ConnectionError) as error:
            raise self._unreached(call, error) from error
        except (failures.RequestException, BrokenAnswer) as error:
            message = f"{call.what}: the answer broke off ({_reason(error)})"
            raise _Failure(Retry(message)) from error
        except (SpnegoError, PermissionError) as error:
            message = f"{call.what}: sign-in was refused ({_reason(error)})"
            raise _Failure(NotPermitted(message), undone=True, sign_in=True) from error
        except KeyError as error:
            # requests_ntlm expects a header that a busy server leaves out of its second answer.
            message = f"{call.what}: the server broke off the sign-in"
            raise _Failure(Retry(message), undone=True) from error
        if answer.version:
            self.server_version = answer.version
        if answer.fault:
            raise self._fault(call, answer.fault)
        return answer

    def _post(
        self, session: requests.Session, body: Body, headers: dict[str, str]
    ) -> requests.Response:
        return session.post(
            self._settings.url,
            data=body,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=_TIMEOUT,
        )

    def _read(self, call: Call, response: requests.Response) -> Answer:
        """The answer of a response. SOAP faults come with status 500, and with 200 as well."""
        status = response.status_code
        xml = "xml" in response.headers.get("Content-Type", "")
        if status != 200 and not (status == 500 and xml):
            raise self._refusal(call, response)
        answer = read(response.iter_content(_CHUNK))
        if not answer.messages and not answer.fault:
            raise BrokenAnswer("no response message")
        return answer

    def _fault(self, call: Call, problem: Problem) -> Exception:
        if problem.code in BUSY:
            return self._throttled(call, problem, problem.back_off)
        if problem.code in TOO_MUCH and call.divisible:
            return TooMuch()
        if problem.code in UNSUPPORTED and call.optional:
            return Unsupported(str(problem))
        error = error_of(problem, call.what, call.permission)
        if call.divisible and (problem.code in MISSING or isinstance(error, Damaged | Refused)):
            return BadPart(error)
        return _Failure(error) if isinstance(error, Retry) else error

    def _refusal(self, call: Call, response: requests.Response) -> Exception:
        """What to raise for an answer that is no SOAP."""
        status, what = response.status_code, call.what
        if status == 401:
            return _Failure(
                NotPermitted(f"{what}: sign-in was refused (401)"), undone=True, sign_in=True
            )
        if status == 403:
            role = APPLICATION_ROLE if self._settings.sign_in else ""
            reason = f"the account may not use Exchange Web Services ({role or 403})"
            return NotPermitted(f"{what}: {reason}", role)
        if status in (429, 503):
            problem = Problem(str(status), response.reason or "", {})
            return self._throttled(call, problem, retry_after(response.headers))
        if call.divisible and status in (408, 413, 502, 504):
            return TooMuch()
        if status == 413 or (status == 404 and not call.repeatable):
            # IIS answers 404.13 to a body above its maxAllowedContentLength.
            return Refused(f"{what}: the server takes no request of this size ({status})")
        if status == 404:
            return Unavailable(f"{what}: there are no Exchange Web Services at this address (404)")
        if 300 <= status < 400:
            return Unavailable(f"{what}: the server points elsewhere ({status})")
        if status == 408 or status >= 500:
            return _Failure(Retry(f"{what}: the server failed ({status})"))
        return Refused(f"{what}: refused ({status})")

    def _throttled(self, call: Call, problem: Problem, seconds: float | None) -> Throttled:
        wait = self._back_off.refused(call.address, seconds)
        message = f"{call.what}: the server asks to wait {wait:.0f} s ({problem})"
        return Throttled(message, wait)

    def _unreached(self, call: Call, error: failures.RequestException) -> Exception:
        if isinstance(error, failures.ReadTimeout) or "Read timed out" in str(error):
            if call.divisible:
                return TooMuch()
            return _Failure(Retry(f"{call.what}: no answer in time"))
        if isinstance(error, failures.ConnectTimeout) or "NewConnectionError" in repr(error):
            message = f"{call.what}: the server can't be reached ({_reason(error)})"
            return _Failure(Unavailable(message), undone=True)
        message = f"{call.what}: the connection broke off ({_reason(error)})"
        return _Failure(Retry(message))


def _reason(error: Exception) -> str:
    """The innermost reason in a few words: the libraries wrap it in addresses and objects."""
    inner: BaseException = error
    while inner.args and isinstance(inner.args[-1], BaseException):
        inner = inner.args[-1]
    reason = getattr(inner, "reason", None)
    if isinstance(reason, BaseException):
        inner = reason
    return f"{type(inner).__name__}: {inner}"[:200]
