"""Many item versions into the catalog at once.

COPY is refused on a table under row security, so rows are copied into a temporary table of the
connection and inserted from there, which checks each against the tenant that is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from django.db import connections
from django.db.models import JSONField
from psycopg.types.json import Jsonb

from backups.catalog import lexemes
from backups.catalog.models import ItemVersion
from tenants.isolation.scope import APP, require_tenant

_IMPORTANT: Final = 2
_FIELDS: Final = tuple(
    field for field in ItemVersion._meta.local_concrete_fields if not field.primary_key
)
_values: Final = attrgetter(*(field.attname for field in _FIELDS))
# The driver writes every other type of ours as it is.
_AS_JSON: Final = tuple(isinstance(field, JSONField) for field in _FIELDS)
_COLUMNS: Final = ", ".join(f'"{field.column}"' for field in _FIELDS)
_PREPARE: Final = f"""
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_items ON COMMIT DELETE ROWS
AS SELECT {_COLUMNS} FROM backups_itemversion WITH NO DATA
"""  # noqa: S608  (columns of our own model)
_COPY: Final = f"COPY incoming_items ({_COLUMNS}) FROM STDIN"
_INSERT: Final = f"""
INSERT INTO backups_itemversion ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming_items
"""  # noqa: S608


def insert(versions: Iterable[ItemVersion]) -> None:
    """Write new versions with their words, inside the tenant's transaction.

    The rows are not given ids. What another tenant owns is refused by the database.
    """
    tenant = require_tenant()
    with connections[APP].cursor() as cursor:
        cursor.execute(_PREPARE)
        with cursor.copy(_COPY) as copy:
            for version in versions:
                version.tenant_id = version.tenant_id or tenant
                version.search = vector_of(version)
                values = zip(_AS_JSON, _values(version), strict=True)
                copy.write_row([Jsonb(value) if as_json else value for as_json, value in values])
        cursor.execute(_INSERT)
        cursor.execute("TRUNCATE incoming_items")


def vector_of(version: ItemVersion) -> str:
    """The words and marks by which a version is found."""
    files = " \n".join(str(name) for name, _ in version.attachments)
    fields = (
        (version.subject, lexemes.SUBJECT),
        (version.sender, lexemes.SENDER),
        (version.recipients, lexemes.RECIPIENTS),
        (files, lexemes.ATTACHMENTS),
    )
    return lexemes.vector(_marks(version), fields)


def _marks(version: ItemVersion) -> Iterator[str]:
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
