"""Finding items by what they say: one function in the database, ids out, rows under row security.

``backups_search`` (migration 0022) runs with the owner's rights, because under row security the
index over words would not be used; it asks for the tenant that is set, whatever it is given.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from django.db import connections

from backups.catalog import lexemes
from backups.catalog.models import ItemVersion
from backups.catalog.pages import After
from backups.catalog.terms import Terms
from tenants.isolation.scope import APP, require_tenant

State = Literal["now", "point", "gone", "ever"]

_SEARCH = """
SELECT * FROM backups_search(%s::tsquery[], %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def search(
    terms: Terms,
    *,
    most: int,
    backup_id: UUID | None = None,
    folder_id: str = "",
    state: State = "now",
    point: int | None = None,
    after: After | None = None,
) -> list[ItemVersion]:
    """At most ``most`` item versions of the current tenant, newest first, without references.

    ``state``: ``now`` what the newest commits hold, ``ever`` every version, ``point`` what was
    there at commit ``point`` of ``backup_id``, ``gone`` what had been there before it.
    """
    require_tenant()
    wanted = list(terms.parts)
    if folder_id:
        wanted.append(f"'{lexemes.folder_mark(folder_id)}'")
    if terms.smallest is not None or terms.largest is not None:
        wanted.append(_sizes(terms.smallest or 0, terms.largest))
    if wanted and backup_id is not None:
        wanted.append(f"'{lexemes.backup_mark(backup_id)}'")
    with connections[APP].cursor() as cursor:
        cursor.execute(
            _SEARCH,
            [
                wanted,
                backup_id,
                state,
                point,
                terms.since,
                terms.until,
                terms.smallest,
                terms.largest,
                after.date if after else None,
                after.id if after else None,
                most,
            ],
        )
        found = [row[0] for row in cursor.fetchall()]
    return ItemVersion.objects.in_order(found)


def _sizes(smallest: int, largest: int | None) -> str:
    """The marks of the magnitudes in which a size may lie: the index finds the few large items."""
    last = lexemes.LARGEST if largest is None else lexemes.magnitude(largest)
    magnitudes = range(lexemes.magnitude(smallest), last + 1)
    marks = [lexemes.magnitude_mark(magnitude) for magnitude in magnitudes]
    return " | ".join(f"'{mark}'" for mark in marks) or "'#none'"
