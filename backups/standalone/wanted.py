"""What is looked for in an index: options, and the SQL that they become."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from backups.standalone.projecting import moment
from backups.standalone.status import UsageError

FIELDS = {
    "words": ("subject", "sender", "recipients", "attachments"),
    "sender": ("sender",),
    "recipients": ("recipients",),
    "subject": ("subject",),
    "attachment": ("attachments",),
}
_TERM = re.compile(r'"([^"]*)"|(\S+)')
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Items that fit all of it."""

    item_id: str | None = None
    texts: dict[str, str] = field(default_factory=dict)
    """By a name of FIELDS: words that all occur there, "phrases in quotes", and beginnings*."""
    since: datetime | None = None
    before: datetime | None = None
    folder: str = ""
    """A part of the path of its folder."""

    @classmethod
    def of(cls, asked: argparse.Namespace) -> Wanted:
        """Raises UsageError for a text without a letter or digit."""
        texts = {name: said for name in FIELDS if (said := getattr(asked, name, None))}
        for name, said in texts.items():
            if not all(_WORD.search(term) for term in _terms(said)):
                raise UsageError(f"nothing can be found by {said!r} ({name})")
        before = asked.until + timedelta(days=1) if asked.until else None
        return cls(None, texts, asked.since, before, asked.folder or "")

    def is_anything(self) -> bool:
        return bool(self.item_id or self.texts or self.since or self.before or self.folder)

    def condition(self, *, has_words: bool) -> tuple[str, list[str]]:
        """On the table of versions, with what goes into its places; not the folder."""
        parts, values = ["1"], list[str]()
        if self.item_id is not None:
            parts.append("item_id = ?")
            values.append(self.item_id)
        for operator, when in ((">=", self.since), ("<", self.before)):
            if when is not None:
                parts.append(f"received_at {operator} ?")
                values.append(moment(when) or "")
        if self.texts and has_words:
            parts.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(self._match())
        elif self.texts:
            for name, said in self.texts.items():
                for term in _terms(said):
                    places = FIELDS[name]
                    parts.append(f"({' OR '.join(f'instr(lower({p}), ?)' for p in places)})")
                    values += [term.removesuffix("*").lower()] * len(places)
        return " AND ".join(parts), values

    def has_folder(self, path: str) -> bool:
        return self.folder.casefold() in path.casefold()

    def _match(self) -> str:
        """In FTS5's language."""
        every = []
        for name, said in self.texts.items():
            for term in _terms(said):
                star = "*" if term.endswith("*") else ""
                quoted = term.removesuffix("*").replace('"', '""')
                every.append(f'{{{" ".join(FIELDS[name])}}} : "{quoted}"{star}')
        return " AND ".join(every)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Options that both find and export have."""
    search = command.add_argument_group("what is looked for, in an index; all of it must fit")
    explanation = 'of subject, people or attachment names; "a phrase" in quotes, begin*'
    search.add_argument("--find", "--words", dest="words", metavar="WORDS", help=explanation)
    search.add_argument("--from", dest="sender", metavar="TEXT", help="words of the sender")
    search.add_argument("--to-person", dest="recipients", metavar="TEXT", help="of a recipient")
    search.add_argument("--subject", metavar="TEXT", help="words of the subject")
    search.add_argument("--attachment", metavar="TEXT", help="words of an attachment's name")
    search.add_argument("--folder", metavar="TEXT", help="a part of the folder's path")
    search.add_argument("--since", type=day, metavar="YYYY-MM-DD", help="that day or later (UTC)")
    search.add_argument("--until", type=day, metavar="YYYY-MM-DD", help="that day or before")


def day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def _terms(text: str) -> list[str]:
    return [phrase or word for phrase, word in _TERM.findall(text)]
