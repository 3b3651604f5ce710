"""Scripted faults: what goes wrong, where, and how often.

A script is a JSON list of objects with the fields of ``Fault``; tests build them in Python.
Faults are struck in the order they were added, at most one per request, and each at most
``times`` times, so that a run with faults ends like a run without.
"""

from __future__ import annotations

import enum
import json
import random
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from email.utils import formatdate

from sandbox.http import HttpError, Request, Response


class Kind(enum.StrEnum):
    STATUS = "status"
    """Answer ``status`` instead of doing anything; with ``retry_after`` when it is set, as a date
    by a clock that is ``clock`` seconds ahead when that is set."""
    RESET = "reset"
    """Break the connection before anything is done."""
    LOST = "lost"
    """Do what is asked, then break the connection instead of answering."""
    TRUNCATED = "truncated"
    """Answer, but with the second half of the body missing (a well-formed HTTP message)."""
    TRUNCATED_ITEM = "truncated item"
    """In an export: the item's base64 ends early."""
    DAMAGED_ITEM = "damaged item"
    """In an export: the item's base64 is whole, the stream in it is not."""
    MISSING_ITEM = "missing item"
    """In an export: the answer does not mention the item."""
    FAILED_ITEM = "failed item"
    """In an export: the item carries the error ``code``."""
    VANISHED_ITEM = "vanished item"
    """In an export: the item is deleted for good before it is looked for."""
    MARKED_ITEM = "marked item"
    """In an export of EWS: the item's base64 ends early, with Exchange's text that it does."""
    BARE_ITEM = "bare item"
    """In MIME content: the attachments are missing."""
    SLOW = "slow"
    """Answer, with the body spread over ``seconds``."""
    EXPIRED_STATE = "expired state"
    """A listing that goes on from somewhere is told that this is not known any more."""
    CLOCK = "clock"
    """At the token endpoint: the server's clock is ``clock`` seconds ahead."""
    FAULT = "fault"
    """EWS: a SOAP fault with ``code`` (ErrorServerBusy) instead of doing anything; with
    ``retry_after`` as BackOffMilliseconds when it is set."""
    NINE_DIGITS = "nine digits"
    """EWS: times in the answer have nine fractional digits."""
    FORGOTTEN_STATE = "forgotten state"
    """EWS: a synchronization starts over, as if the request had brought no state."""
    EMPTY_SUCCESS = "empty success"
    """EWS: what is asked about a folder that is gone succeeds, with nothing in the answer."""
    FAILED_BATCH = "failed batch"
    """EWS: the error of any one part of a request becomes that of the whole request."""


ITEM_KINDS = frozenset(kind for kind in Kind if kind.endswith("item"))
MIME_KINDS = frozenset({Kind.BARE_ITEM, Kind.FAILED_ITEM})
"""Those of an item's MIME content; all others, and a failed item too, are of exports."""
EXPORT_KINDS = ITEM_KINDS - {Kind.BARE_ITEM}

_CODES = {
    401: ("InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
    403: ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    404: ("ErrorItemNotFound", "The specified object was not found in the store."),
    410: ("syncStateNotFound", "The sync state is not found. Start with a full synchronization."),
    413: ("RequestEntityTooLarge", "The answer would be too large."),
    429: ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    503: ("ErrorServerBusy", "The server cannot service this request right now."),
    504: ("UnknownError", "Gateway timeout."),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """``path`` is a regular expression, searched for in ``Request.name``; ``after`` is
    how many matching requests pass unharmed first, ``probability`` the chance of each one after
    those. ``item`` narrows a fault of an item to one id or internet message id; without it every
    item of the answer is struck."""

    kind: Kind
    path: str = ""
    times: int = 1
    after: int = 0
    status: int = 503
    retry_after: int | None = None
    code: str = ""
    item: str = ""
    probability: float = 1.0
    seconds: float = 1.0
    clock: int | None = None

    @classmethod
    def from_record(cls, record: object) -> Fault:
        """Read an object of a script. Raises ValueError naming what is wrong with it."""
        if not isinstance(record, Mapping):
            raise ValueError("a fault is an object")
        unknown = set(record) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
        if "kind" not in record:
            raise ValueError("a fault needs a kind")
        return cls(**{**record, "kind": Kind(record["kind"])})


class Faults:
    """The faults still to come. Safe to use from threads. The dice fall the same in each run."""

    def __init__(self, seed: int = 0) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - no secret comes from it
        self.struck: list[tuple[Fault, str]] = []
        """What was struck so far: (fault, METHOD /path)."""
        self._waiting: list[tuple[Fault, list[int]]] = []  # with [to let pass, to strike]
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._waiting += [(fault, [fault.after, fault.times]) for fault in faults]

    def load(self, script: str) -> None:
        """Add the faults of a JSON script. Raises ValueError naming the entry that is wrong."""
        records = json.loads(script)
        if not isinstance(records, list):
            raise ValueError("a fault script is a list")
        for number, record in enumerate(records, start=1):
            try:
                self.add(Fault.from_record(record))
            except (TypeError, ValueError) as error:
                raise ValueError(f"fault {number}: {error}") from error

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def strike(self, request: Request) -> Fault | None:
        """The fault that this request runs into, if any, other than those of an item."""
        where = request.name
        with self._lock:
            for fault, left in self._waiting:
                if _concerns(fault, request) and re.search(fault.path, where):
                    if left[0]:
                        left[0] -= 1
                    elif left[1] and self._hits(fault):
                        return self._struck(fault, left, where)
        return None

    def strike_item(
        self, item: str, message_id: str, kinds: Collection[Kind] = EXPORT_KINDS
    ) -> Fault | None:
        """The fault of one of the kinds that an item runs into, if any."""
        with self._lock:
            for fault, left in self._waiting:
                aimed = fault.kind in kinds and fault.item in ("", item, message_id)
                if aimed and left[1] and self._hits(fault):
                    return self._struck(fault, left, f"item {item}")
        return None

    def _hits(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._dice.random() < fault.probability

    def _struck(self, fault: Fault, left: list[int], where: str) -> Fault:
        left[1] -= 1
        self.struck.append((fault, where))
        return fault


def _concerns(fault: Fault, request: Request) -> bool:
    if fault.kind is Kind.EXPIRED_STATE:
        return request.resumes
    return fault.kind not in ITEM_KINDS


def status_error(fault: Fault) -> HttpError:
    """The answer of a fault, by a clock of its own where the script says so."""
    code, message = _CODES.get(fault.status, ("generalException", "Something went wrong."))
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.clock is not None:
        now = time.time() + fault.clock
        headers["Date"] = formatdate(now, usegmt=True)
        if fault.retry_after is not None:
            headers["Retry-After"] = formatdate(now + fault.retry_after, usegmt=True)
    return HttpError(fault.status, fault.code or code, message, headers)


def truncated(response: Response) -> Response:
    """The answer without the second half of its body."""
    body = b"".join(response.pieces)
    return Response(response.status, [body[: len(body) // 2]], response.headers)
