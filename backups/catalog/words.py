"""The index over words, left out while many rows come in and made afterwards, in one go.

Needs the owner's role. Meanwhile searches are slow, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connections
from django.db.models import Index

from backups.catalog.models import ItemVersion
from tenants.isolation.scope import OWNER

NAME: Final = "items_by_words"
_MEMORY: Final = "256MB"


@contextmanager
def made_last() -> Iterator[None]:
    """Do the work inside without the index, and make it afterwards whatever happens."""
    with connections[OWNER].schema_editor() as editor:
        if _is_there():
            editor.remove_index(ItemVersion, _index())
    try:
        yield
    finally:
        make_if_missing()


def make_if_missing() -> None:
    """Whoever was killed inside ``made_last`` left none."""
    if _is_there():
        return
    with connections[OWNER].schema_editor() as editor:
        editor.execute("SELECT set_config('maintenance_work_mem', %s, true)", [_MEMORY])
        editor.add_index(ItemVersion, _index())


def has_none() -> bool:
    """Whether there is no item version of anybody."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT NOT EXISTS (SELECT FROM backups_itemversion)")
        (empty,) = cursor.fetchone()
    return bool(empty)


def _index() -> Index:
    found: Index = next(index for index in ItemVersion._meta.indexes if index.name == NAME)
    return found


def _is_there() -> bool:
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [NAME])
        (there,) = cursor.fetchone()
    return bool(there)
