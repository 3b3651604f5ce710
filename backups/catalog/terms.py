"""What a person types into the search, understood.

    invoice                 a word, or the beginning of one, anywhere
    "annual report"         these words in this order
    from:anna  to:ben  subject:"board meeting"  attachment:budget
    kind:event  folder:Inbox  category:travel
    has:attachment  is:unread  is:read  is:flagged  is:draft  is:important
    after:2026-01-31  before:2026-02  on:2026-02-14  larger:5MB  smaller:200kB
    a b        both;  a OR b;  -a or NOT a;  (a OR b) c

Dates and sizes hold for the whole search and can't stand in OR or NOT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from backups.catalog import lexemes

MAX_LENGTH: Final = 500
"""Letters of a search."""
DEEPEST: Final = 20

_TOKEN = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<minus>-)(?=\S)|"
    r'(?P<name>[A-Za-z]+):(?=\S)|"(?P<quoted>[^"]*)"?|(?P<word>[^\s()"]+))'
)
_WEIGHTS: Final = {
    "subject": lexemes.SUBJECT,
    "from": lexemes.SENDER,
    "to": lexemes.RECIPIENTS,
    "cc": lexemes.RECIPIENTS,
    "attachment": lexemes.ATTACHMENTS,
    "file": lexemes.ATTACHMENTS,
}
_STATES: Final = {
    "read": "read",
    "unread": "!read",
    "draft": "draft",
    "flagged": "flagged",
    "important": "important",
}
_LIMITS: Final = ("after", "since", "before", "on", "larger", "smaller")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*(b|kb|k|mb|m|gb|g)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_PREFIX_FROM: Final = 3
"""A word of so many letters also finds longer words that begin with it."""


class QueryError(ValueError):
    """The search can't be understood; the text says what and where."""


@dataclass(slots=True)
class Terms:
    """``text`` is a ``tsquery``, empty for everything. Dates are aware, sizes in bytes."""

    text: str = ""
    parts: tuple[str, ...] = ()
    """What ``text`` asks for all at once, each a ``tsquery``."""
    since: datetime | None = None
    until: datetime | None = None
    smallest: int | None = None
    largest: int | None = None

    @property
    def empty(self) -> bool:
        return self == Terms()


FolderMarks = Callable[[str], Sequence[str]]
"""The marks of the folders of a name; the search may not know which mailbox is meant."""


def understand(query: str, *, zone: tzinfo, today: date, folders: FolderMarks) -> Terms:
    """Read a search. ``today`` is the day in ``zone``. Raises QueryError."""
    if len(query) > MAX_LENGTH:
        raise QueryError(f"A search has at most {MAX_LENGTH} letters.")
    parser = _Parser(_tokens(query), zone, today, folders)
    parser.terms.text = parser.read(0)
    if parser.token is not None:
        raise QueryError("There is a closing parenthesis without an opening one.")
    return parser.terms


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(query: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(query):
        kind = match.lastgroup or ""
        if kind:
            found.append(_Token(kind, match[kind]))
    return found


@dataclass(slots=True)
class _Parser:
    tokens: list[_Token]
    zone: tzinfo
    today: date
    folders: FolderMarks
    terms: Terms = field(default_factory=Terms)
    place: int = 0
    bound: int = 0
    """How many ORs, NOTs and parentheses of them are around the place."""

    @property
    def token(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def read(self, depth: int) -> str:
        """Alternatives, up to the end or a closing parenthesis."""
        if depth > DEEPEST:
            raise QueryError("Too many parentheses inside each other.")
        parts = self._all(depth)
        choices = [_all_of(parts)]
        while self._is("OR"):
            self.place += 1
            self.bound += 1
            choices.append(_all_of(self._all(depth)))
            self.bound -= 1
        if len(choices) > 1 and not all(choices):
            raise QueryError("OR needs a word on both sides.")
        text = choices[0] if len(choices) == 1 else f"({' | '.join(choices)})"
        if depth == 0:
            self.terms.parts = tuple(parts) if len(choices) == 1 else (text,)
        return text

    def _all(self, depth: int) -> list[str]:
        start, limits = self.place, self._limits()
        parts = []
        while (token := self.token) is not None and token.kind != "close" and not self._is("OR"):
            if self._is("AND"):
                self.place += 1
                continue
            part = self._one(depth)
            if part:
                parts.append(part)
        if self._is("OR") and limits != self._limits():
            raise QueryError(_UNBOUND.format(self.tokens[start].text))
        return parts

    def _one(self, depth: int) -> str:
        token = self.tokens[self.place]
        self.place += 1
        if token.kind == "minus" or (token.kind == "word" and token.text == "NOT"):
            if self.token is None or self.token.kind == "close":
                raise QueryError("NOT needs a word after it.")
            self.bound += 1
            inner = self._one(depth)
            self.bound -= 1
            return f"!{inner}" if inner else ""
        if token.kind == "open":
            inner = self.read(depth + 1)
            if self.token is None:
                raise QueryError("A parenthesis is not closed.")
            self.place += 1
            return inner
        if token.kind == "name":
            return self._field(token.text)
        return _phrase(token.text, "", exact=token.kind == "quoted")

    def _field(self, name: str) -> str:
        value = self.token
        if value is None or value.kind not in ("word", "quoted"):
            raise QueryError(f"{name}: needs a word after it.")
        self.place += 1
        wanted = name.casefold()
        if wanted in _WEIGHTS:
            return _phrase(value.text, _WEIGHTS[wanted], exact=value.kind == "quoted")
        if wanted in _LIMITS:
            if self.bound:
                raise QueryError(_UNBOUND.format(f"{name}:"))
            self._limit(wanted, value.text)
            return ""
        return self._mark(name, value.text)

    def _mark(self, name: str, value: str) -> str:
        wanted, lowered = name.casefold(), value.casefold()
        if wanted == "is" and lowered in _STATES:
            state = _STATES[lowered]
            mark = f"'{lexemes.flag_mark(state.removeprefix('!'))}'"
            return f"!{mark}" if state.startswith("!") else mark
        if wanted == "has" and lowered in ("attachment", "attachments", "file", "files"):
            return f"'{lexemes.flag_mark('attachment')}'"
        if wanted in ("kind", "class", "type") and lowered.removesuffix("s") in lexemes.KINDS:
            return f"'{lexemes.kind_mark(lowered.removesuffix('s'))}'"
        if wanted == "category":
            marks = [lexemes.category_mark(word) for word in lexemes.words(value)]
            return _any_of(marks, " & ")
        if wanted in ("folder", "in"):
            return _any_of(self.folders(value), " | ")
        known = {"is": sorted(_STATES), "has": ["attachment"], "kind": lexemes.KINDS}
        if wanted in known:
            raise QueryError(f"{name}: knows {', '.join(known[wanted])}, not {value}.")
        raise QueryError(f"{name}: is not known. To look for the text, put it in quotes.")

    def _limit(self, name: str, value: str) -> None:
        terms = self.terms
        if name in ("larger", "smaller"):
            size = _size(name, value)
            if name == "larger":
                terms.smallest = max(terms.smallest or 0, size)
            else:
                terms.largest = size if terms.largest is None else min(terms.largest, size)
            return
        first, after = (
            datetime.combine(day, time(), self.zone) for day in _days(name, value, self.today)
        )
        if name == "after":
            first = after
        if name in ("after", "since", "on"):
            terms.since = first if terms.since is None else max(terms.since, first)
        if name in ("before", "on"):
            end = after if name == "on" else first
            terms.until = end if terms.until is None else min(terms.until, end)

    def _limits(self) -> tuple[object, ...]:
        terms = self.terms
        return terms.since, terms.until, terms.smallest, terms.largest

    def _is(self, word: str) -> bool:
        return self.token == _Token("word", word)


_UNBOUND: Final = "Dates and sizes hold for the whole search: {} can't stand in OR or NOT."


def _all_of(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})" if parts else ""


def _any_of(marks: Sequence[str], between: str) -> str:
    """Joined marks; without any, a mark that no item has."""
    quoted = [f"'{mark}'" for mark in marks or ("#none",)]
    return f"({between.join(quoted)})"


def _phrase(text: str, weight: str, *, exact: bool) -> str:
    """A word, or words that follow each other; one alone also finds what begins with it."""
    found = lexemes.words(text)
    if len(found) == 1 and not exact:
        begins = "*" if len(found[0]) >= _PREFIX_FROM or text.endswith("*") else ""
        return f"'{found[0]}'{':' if begins or weight else ''}{begins}{weight}"
    parts = [f"'{word}'{':' if weight else ''}{weight}" for word in found]
    return f"({' <-> '.join(parts)})" if len(parts) > 1 else "".join(parts)


def _size(name: str, value: str) -> int:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise QueryError(f"{name}: needs a size such as 500kB or 5MB, not {value}.")
    return int(float(match[1]) * _UNITS[(match[2] or "").casefold()[:1]])


def _days(name: str, value: str, today: date) -> tuple[date, date]:
    """The first day of a date, month or year, and the day after its last."""
    lowered = value.casefold()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        if lowered in named:
            return named[lowered], named[lowered] + timedelta(days=1)
        numbers = [int(part) for part in lowered.split("-")]
        first = date(*[*numbers, 1, 1][:3])
        if len(numbers) == 3:
            return first, first + timedelta(days=1)
        if len(numbers) == 2:
            return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)
        if len(numbers) == 1 and first.year >= 1000:
            return first, date(first.year + 1, 1, 1)
    except (ValueError, OverflowError, TypeError):
        pass
    raise QueryError(f"{name}: needs a date such as 2026-01-31, 2026-01 or today, not {value}.")
