"""Restore points and items as an index has them; what is in an item comes from the repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from backups.repository import Locate, Location, Point, Vault, decode_references
from backups.repository.browse import NoSuchPoint, folder_path
from backups.standalone.index import Index
from backups.standalone.projecting import sealed_name
from backups.standalone.status import UsageError
from backups.standalone.views import Listed, Points, View
from backups.standalone.wanted import Wanted

_HELD = "first <= ? AND (ended IS NULL OR ended > ?)"
_COLUMNS = (
    "item_id, change_key, folder_id, item_class, size, sha256, subject, sender, received_at,"
    " first, sealed"
)


Row = tuple[str, str, str, str, int, bytes, str, str, str | None, int, bytes]


class Indexed:
    def __init__(self, index: Index, vault_of: Callable[[UUID], Vault]) -> None:
        """``vault_of`` opens a tenant's share; it is asked when an item is read."""
        self._index = index
        self._vault_of = vault_of

    def mailboxes(self, tenant: UUID | None, chosen: UUID | str | None) -> list[tuple[UUID, UUID]]:
        """Tenants and mailboxes. Raises UsageError when the chosen one is not there."""
        found = [
            (UUID(of), UUID(mailbox))
            for of, mailbox, address in self._index.rows.execute(
                "SELECT tenant, mailbox, address FROM mailboxes ORDER BY mailbox"
            )
            if tenant in (None, UUID(of))
            and (chosen in (None, UUID(mailbox)) or str(chosen).casefold() == address.casefold())
        ]
        if chosen is not None and not found:
            raise UsageError(f"there is no mailbox {chosen} in {self._index.file}")
        return found

    def head(self, mailbox: UUID) -> int:
        """The last commit that the index knows."""
        found = self._index.rows.execute(
            "SELECT head FROM mailboxes WHERE mailbox = ?", (str(mailbox),)
        )
        return int(found.fetchone()[0])

    def points(self, tenant: UUID, mailbox: UUID) -> Points:
        rows = self._index.rows.execute(
            "SELECT sequence, taken_at, run, items, bytes, faults, coverage FROM points"
            " WHERE mailbox = ? ORDER BY sequence",
            (str(mailbox),),
        )
        points = [
            Point(sequence, _moment(taken_at), UUID(run), items, size, faults, json.loads(coverage))
            for sequence, taken_at, run, items, size, faults, coverage in rows
        ]
        return Points(tenant, mailbox, points)

    def views(
        self, of: Points, point: int | None, wanted: Wanted, *, every: bool = False
    ) -> Iterator[View]:
        """The mailbox at a point (None: the latest), or with ``every`` at all, newest first.

        Then each version comes once, at the newest point that has it. Raises NoSuchPoint.
        """
        chosen = [each for each in of.points if point in (None, each.sequence)]
        if point is not None and not chosen:
            raise NoSuchPoint(f"mailbox {of.mailbox}: {point} is not a restore point")
        newer = 0
        for each in reversed(chosen if every else chosen[-1:]):
            yield self._view(of, each, newer, wanted)
            newer = each.sequence

    def locate(self, vault: Vault) -> Locate:
        return partial(self._located, vault)

    def _view(self, of: Points, point: Point, newer: int, wanted: Wanted) -> View:
        at = point.sequence
        folders = self._index.folders(of.mailbox, at)
        condition, values = wanted.condition(has_words=self._index.has_words)
        held = _HELD + (f" AND NOT ({_HELD})" if newer else "")
        places = [str(of.mailbox), at, at, *([newer, newer] if newer else []), *values]
        rest = f"FROM versions WHERE mailbox = ? AND {held} AND {condition}"
        if wanted.folder:
            paths = {key: folder_path(folders, key) for key in folders}
            inside = json.dumps([key for key in folders if wanted.has_folder(paths[key])])
            rest += " AND folder_id IN (SELECT value FROM json_each(?))"
            places.append(inside)
        (count,) = self._index.rows.execute(f"SELECT count(*) {rest}", places).fetchone()
        rows = self._index.rows.execute(f"SELECT {_COLUMNS} {rest} ORDER BY id", places)
        return View(
            tenant=of.tenant,
            mailbox=of.mailbox,
            address=of.address,
            point=at,
            taken_at=point.taken_at,
            count=count,
            folders=folders,
            items=(self._listed(of, row) for row in rows),
        )

    def _listed(self, of: Points, row: Row) -> Listed:
        shown, sha256, (received_at, first, sealed) = row[:8], row[5], row[8:]
        item_id = row[0]
        name = sealed_name(item_id, first)

        def read() -> bytes:
            vault = self._vault_of(of.tenant)
            recipe, refs = decode_references(vault.unseal(of.mailbox, name, sealed))
            return vault.read_item(recipe, refs, sha256, self.locate(vault))

        when = None if received_at is None else _moment(received_at)
        return Listed(*shown, when, read)

    def _located(self, vault: Vault, ids: Sequence[bytes]) -> dict[bytes, Location]:
        """Where a part is twice, the first copy may be damaged."""
        found: dict[bytes, Location] = {}
        for blob_id in ids:
            rows = self._index.rows.execute(
                "SELECT pack.pack, place, length FROM blobs JOIN packs pack ON number = blobs.pack"
                " WHERE id = ?",
                (blob_id,),
            )
            copies = [Location(*row) for row in rows]
            for at in copies:
                if len(copies) == 1 or vault.is_sound(at):
                    found[blob_id] = at
                    break
        return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
