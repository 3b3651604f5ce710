"""Many item versions into the catalog at once.

COPY is refused on a table under row security, so rows are copied into a temporary table of the
connection and inserted from there, which checks each against the tenant that is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from django.contrib.postgres.search import SearchVectorField
from django.db import connections, models

from backups.catalog import lexemes
from backups.catalog.models import ItemVersion
from tenants.isolation.scope import APP, require_tenant

_IMPORTANT: Final = 2
_CHUNK: Final = 256 * 1024
"""Characters that are handed to the connection at once."""


@dataclass(slots=True)
class Version:
    """An item version that is to be written; the columns of ItemVersion."""

    tenant_id: UUID
    backup_id: UUID
    item_id: str
    change_key: str
    folder_id: str
    first: int
    last: int | None
    item_class: str
    subject: str
    sender: str
    recipients: str
    message_id: str
    sent_at: datetime | None
    received_at: datetime | None
    size: int
    is_read: bool
    is_draft: bool
    is_flagged: bool
    importance: int
    attachments: list[list[str | int]]
    categories: list[str]
    notes: list[str]
    digest: bytes
    sha256: bytes
    references: bytes
    search: str = ""


def _text(value: object) -> str:
    text = str(value)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if text.isprintable():
        return text
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _json(value: object) -> str:
    return _text(json.dumps(value)) if value else "[]"


def _octets(value: object) -> str:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{type(value).__name__} instead of bytes")
    return "\\\\x" + value.hex()


def _writer(field: models.Field[object, object]) -> Callable[[object], str]:
    """How a column's values stand in the text form of COPY, but for NULL."""
    match field:
        case models.JSONField():
            return _json
        case models.BinaryField():
            return _octets
        case models.CharField() | models.TextField() | SearchVectorField():
            return _text
    return str


_FIELDS: Final = tuple(
    field for field in ItemVersion._meta.local_concrete_fields if not field.primary_key
)
_values: Final = attrgetter(*(field.attname for field in _FIELDS))
_WRITERS: Final = tuple(_writer(field) for field in _FIELDS)
COLUMNS: Final = ", ".join(f'"{field.column}"' for field in _FIELDS)
_PREPARE: Final = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_items ON COMMIT DELETE ROWS
AS SELECT {COLUMNS} FROM backups_itemversion WITH NO DATA
"""  # noqa: S608  (columns of our own model)
_COPY: Final = f"COPY incoming_items ({COLUMNS}) FROM STDIN"
_INSERT: Final = f"""
INSERT INTO backups_itemversion ({COLUMNS}) SELECT {COLUMNS} FROM incoming_items
"""  # noqa: S608


def insert(versions: Iterable[ItemVersion | Version]) -> None:
    """Write new versions with their words, inside the tenant's transaction.

    The rows are not given ids. What another tenant owns is refused by the database.
    """
    tenant = require_tenant()
    with connections[APP].cursor() as cursor:
        cursor.execute(_PREPARE)
        with cursor.copy(_COPY) as copy:
            waiting: list[str] = []
            size = 0
            for line in lines(versions, tenant):
                waiting.append(line)
                size += len(line)
                if size >= _CHUNK:
                    copy.write("".join(waiting))
                    waiting, size = [], 0
            copy.write("".join(waiting))
        cursor.execute(_INSERT)
        cursor.execute("TRUNCATE incoming_items")


def lines(versions: Iterable[ItemVersion | Version], tenant: UUID) -> Iterator[str]:
    """Lines of COPY in the order of ``COLUMNS``; what says no tenant is ``tenant``'s."""
    for version in versions:
        version.tenant_id = version.tenant_id or tenant
        version.search = vector_of(version)
        yield _line(version)


def _line(version: ItemVersion | Version) -> str:
    values = zip(_WRITERS, _values(version), strict=True)
    return "\t".join(["\\N" if value is None else write(value) for write, value in values]) + "\n"


def vector_of(version: ItemVersion | Version) -> str:
    """The words and marks by which a version is found."""
    files = " \n".join(str(name) for name, _ in version.attachments)
    fields = (
        (version.subject, lexemes.SUBJECT),
        (version.sender, lexemes.SENDER),
        (version.recipients, lexemes.RECIPIENTS),
        (files, lexemes.ATTACHMENTS),
    )
    return lexemes.vector(_marks(version), fields)


def _marks(version: ItemVersion | Version) -> Iterator[str]:
    yield lexemes.tenant_mark(version.tenant_id)
    yield lexemes.backup_mark(version.backup_id)
    yield lexemes.folder_mark(version.folder_id)
    yield lexemes.magnitude_mark(lexemes.magnitude(version.size))
    yield lexemes.kind_mark(lexemes.kind_of(version.item_class))
    for flag, is_set in (
        ("attachment", bool(version.attachments)),
        ("read", version.is_read),
        ("draft", version.is_draft),
        ("flagged", version.is_flagged),
        ("important", version.importance == _IMPORTANT),
    ):
        if is_set:
            yield lexemes.flag_mark(flag)
    for word in {word for category in version.categories for word in lexemes.words(category)}:
        yield lexemes.category_mark(word)
