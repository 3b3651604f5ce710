"""What the search finds an item by, as a ``tsvector`` that is put together here.

The words are taken apart here and not by PostgreSQL, so that a query and an item are taken apart
by the same rules, whatever the language: no accents, no case, an address as its pieces, Chinese
and Japanese letter by letter. A word's weight says where it stands. Beside the words stand
*marks*, lexemes that no word can be because they begin with ``#``: the tenant, the mailbox, the
folder, what kind of item it is. They make every filter part of the same index lookup.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

SUBJECT, SENDER, RECIPIENTS, ATTACHMENTS = "A", "B", "C", "D"
"""Weights: where in an item a word stands."""

LONGEST: Final = 64
"""Letters of a word that count."""

MOST_PLACES: Final = 250
"""Of one word in one item; PostgreSQL keeps 256 and drops the others with a notice."""

LARGEST: Final = 160
"""Magnitudes that are told apart, up to a terabyte."""

_SHORT_PLACES: Final = 2 * MOST_PLACES
"""Characters; in fewer there can't be too many places."""
_LAST_PLACE: Final = 16_000
_BETWEEN_FIELDS: Final = 10
# Scripts without spaces between words: each letter is a word, a word is a phrase of letters.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]|[^\W_぀-ヿ㐀-䶿一-鿿豈-﫿]+")
_ASCII_WORD = re.compile(r"[0-9a-z]+")
"""The same where there are no other letters, in half the time."""
_MARKS_KEPT: Final = 4_096

_KINDS: Final = (
    ("ipm.note.smime", "message"),
    ("ipm.note", "message"),
    ("ipm.schedule", "meeting"),
    ("ipm.appointment", "event"),
    ("ipm.contact", "contact"),
    ("ipm.distlist", "list"),
    ("ipm.task", "task"),
    ("ipm.stickynote", "note"),
    ("ipm.activity", "journal"),
    ("report", "report"),
)
KINDS: Final = tuple(sorted({kind for _, kind in _KINDS} | {"other"}))


def words(text: str) -> list[str]:
    """The words of ``text`` as they are looked for, in order."""
    if text.isascii():
        found: list[str] = _ASCII_WORD.findall(text.lower())
    else:
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
        found = _WORD.findall(text)
    return found if len(text) <= LONGEST else [word[:LONGEST] for word in found]


@lru_cache(_MARKS_KEPT)
def kind_of(item_class: str) -> str:
    """One of ``KINDS``."""
    lowered = item_class.casefold()
    return next((kind for prefix, kind in _KINDS if lowered.startswith(prefix)), "other")


@lru_cache(_MARKS_KEPT)
def tenant_mark(tenant_id: UUID) -> str:
    return f"#t{tenant_id.hex}"


@lru_cache(_MARKS_KEPT)
def backup_mark(backup_id: UUID) -> str:
    return f"#b{backup_id.hex}"


@lru_cache(_MARKS_KEPT)
def folder_mark(folder_id: str) -> str:
    digest = hashlib.sha256(folder_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"#f{digest[:16]}"


def kind_mark(kind: str) -> str:
    return f"#k{kind}"


def category_mark(word: str) -> str:
    """``word`` is one of ``words()`` of a category's name."""
    return f"#g{word}"


def magnitude(size: int) -> int:
    """Four steps for each doubling of a size in bytes: the larger size has no smaller magnitude."""
    bits = size.bit_length()
    return min(4 * bits + (size >> max(bits - 3, 0) & 3), LARGEST)


def magnitude_mark(magnitude: int) -> str:
    return f"#z{magnitude}"


def flag_mark(flag: str) -> str:
    """``flag``: attachment, read, draft, flagged or important."""
    return f"#{flag}"


def vector(marks: Iterable[str], fields: Sequence[tuple[str, str]]) -> str:
    """The text form of a ``tsvector``; ``fields`` are (text, weight).

    Places count on from field to field with a gap, so that no phrase reaches into the next one.
    """
    places: dict[str, str] = {}
    at = 0
    for text, weight in fields:
        for word in words(text):
            at += 1
            found = places.get(word)
            if at > _LAST_PLACE:
                break
            if found is None:
                places[word] = f"{at}{weight}"
            elif len(found) < _SHORT_PLACES or found.count(",") < MOST_PLACES - 1:
                places[word] = f"{found},{at}{weight}"
        at += _BETWEEN_FIELDS
    lexemes = [f"'{word}':{found}" for word, found in places.items()]
    return " ".join((*(f"'{mark}'" for mark in marks), *lexemes))
