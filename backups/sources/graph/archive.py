"""Archives: what each of them can do is found out, for Graph does not say.

One lists its folders in v1.0, another in beta only; delta of items may answer with half a JSON
text, and then a folder is listed whole and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from backups.sources.errors import CursorExpired, Gone, NotPermitted, Refused, SourceError
from backups.sources.graph.answers import change_of, folder_of, identity, number, text
from backups.sources.graph.references import (
    ARCHIVE,
    RECOVERABLE,
    packed,
    read,
    unpacked,
    write,
)
from backups.sources.graph.transport import (
    BETA,
    VERSION,
    BrokenListing,
    Call,
    JsonObject,
    Page,
    Transport,
    path,
    resumed,
)
from backups.sources.interface import ChangePage, ItemChange, SourceFolder

NOT_THERE = (Refused, Gone, NotPermitted)
"""What a version answers that does not serve an archive; of real ones it is not known which."""
FOLDERS = "listing folders of the archive"
ITEMS = "listing items of the archive"
_FOLDER_RIGHT, _ITEM_RIGHT = "MailboxFolder.Read.All", "MailboxItem.Read.All"
_SELECT = "id,changeKey,size,type,lastModifiedDateTime"
_PAGE = {"Prefer": "odata.maxpagesize=500"}
_PROBES = 2
_KIND = "archive items"


@dataclass(slots=True)
class Abilities:
    """What was found out about archives so far, by their ids."""

    settings: str = VERSION
    """The version that says who has an archive."""
    versions: dict[str, str] = field(default_factory=dict)
    without_delta: set[str] = field(default_factory=set)

    def order(self, archive: str) -> tuple[str, ...]:
        """The versions in which to try: the one that worked, else both."""
        known = self.versions.get(archive)
        return (known,) if known else (VERSION, BETA)


@dataclass(frozen=True, slots=True)
class ArchiveListing:
    transport: Transport
    abilities: Abilities

    def folders(
        self, archive: str, state: JsonObject | None
    ) -> Iterator[tuple[list[SourceFolder], list[str], JsonObject]]:
        """(folders, removed, state to go on from) of each page; the first time there is one.

        Raises CursorExpired, and one of NOT_THERE for an archive that no version lists.
        """
        if state is None:
            yield self._all_folders(archive)
            return
        version = BETA if state.get("version") == BETA else VERSION
        roots = _texts(state.get("roots"))
        self.abilities.versions[archive] = version
        if "known" in state:
            folders, known, roots = self._whole(archive, version)
            removed = unpacked(state["known"]).keys() - known.keys()
            yield folders, sorted(removed), {**state, "roots": roots, "known": packed(known)}
            return
        target = resumed(str(state.get("cursor", "")), "")
        for page in self._pages(archive, target, FOLDERS, _FOLDER_RIGHT, cursor=True):
            gone = [ARCHIVE + identity(one, FOLDERS) for one in _removed(page.entities)]
            yield _placed(_present(page.entities), roots), gone, {**state, "cursor": page.cursor}

    def items(self, archive: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        """Changes of one folder, given by its own id."""
        if cursor is None:
            yield from self._first_items(archive, folder)
            return
        state = read(_KIND, cursor)
        version = BETA if state.get("version") == BETA else VERSION
        if "known" in state:
            yield from self._resumed_sweep(archive, folder, version, state)
            return
        target = resumed(str(state.get("cursor", "")), "")
        try:
            yield from self._delta(archive, version, target, cursor=True)
        except BrokenListing as error:
            # What goes on from here is not known: everything is listed again, in whatever way
            # works, and nothing is taken for removed.
            raise CursorExpired(f"{ITEMS}: delta broke, all items are listed ({error})") from error

    def _all_folders(self, archive: str) -> tuple[list[SourceFolder], list[str], JsonObject]:
        failures: list[SourceError] = []
        for version in self.abilities.order(archive):
            start = path(*_folders(archive), "delta", version=version)
            try:
                pages = list(self._pages(archive, start, FOLDERS, _FOLDER_RIGHT, probe=True))
            except NOT_THERE as error:
                failures.append(error)
                continue
            except BrokenListing:
                folders, known, roots = self._whole(archive, version)
                state: JsonObject = {"version": version, "known": packed(known), "roots": roots}
            else:
                listed = [one for page in pages for one in _present(page.entities)]
                roots = _roots(listed)
                folders = _tops(roots) + _placed(listed, roots)
                state = {"version": version, "cursor": pages[-1].cursor, "roots": roots}
            self.abilities.versions[archive] = version
            return folders, [], state
        raise _telling(failures)

    def _whole(
        self, archive: str, version: str
    ) -> tuple[list[SourceFolder], dict[str, str], dict[str, str]]:
        """All folders without delta, their ids, and those above them."""
        call = Call(
            "GET",
            path(*_folders(archive), version=version),
            FOLDERS,
            _FOLDER_RIGHT,
            archive,
            headers=_PAGE,
        )
        pages = self.transport.pages(call, delta=False)
        listed = [one for page in pages for one in page.entities]
        roots = _roots(listed)
        folders = _tops(roots) + _placed(listed, roots)
        return folders, {folder.id: "" for folder in folders}, roots

    def _first_items(self, archive: str, folder: str) -> Iterator[ChangePage]:
        failures: list[SourceError] = []
        for version in self.abilities.order(archive):
            try:
                if archive not in self.abilities.without_delta:
                    options = {"$select": _SELECT}
                    start = path(*_items(archive, folder), "delta", query=options, version=version)
                    try:
                        yield from self._delta(archive, version, start)
                        return
                    except BrokenListing:
                        self.abilities.without_delta.add(archive)
                yield from self._swept(archive, folder, version, {})
                return
            except NOT_THERE as error:
                failures.append(error)
        raise _telling(failures)

    def _delta(
        self, archive: str, version: str, target: str, *, cursor: bool = False
    ) -> Iterator[ChangePage]:
        for page in self._pages(archive, target, ITEMS, _ITEM_RIGHT, probe=True, cursor=cursor):
            self.abilities.versions[archive] = version
            changes = tuple(_change(one) for one in page.entities)
            kept = write(_KIND, version=version, cursor=page.cursor)
            yield ChangePage(changes, kept, page.complete)

    def _resumed_sweep(
        self, archive: str, folder: str, version: str, state: JsonObject
    ) -> Iterator[ChangePage]:
        following = resumed(str(state["next"]), "") if "next" in state else ""
        try:
            yield from self._swept(archive, folder, version, state)
        except Refused as error:
            if not following:
                raise
            raise CursorExpired(f"{ITEMS}: the server does not go on ({error})") from error

    def _swept(
        self, archive: str, folder: str, version: str, state: JsonObject
    ) -> Iterator[ChangePage]:
        """Without delta: the whole folder, compared with what it held in the last round.

        A watermark of ``lastModifiedDateTime`` would need the ids as well, for what is gone, and
        loses what changes while the pages are read. Removed is what two rounds in a row did not
        list, each with as many items as the folder says it has.
        """
        known, absent = unpacked(state.get("known")), unpacked(state.get("absent"))
        following = str(state.get("next", ""))
        first = not known or bool(following)
        before = write(_KIND, version=version, known=packed(known), absent=packed(absent))
        found: dict[str, str] = dict(known) if first else {}
        query = {"$select": _SELECT}
        start = path(*_items(archive, folder), query=query, version=version)
        call = Call("GET", following or start, ITEMS, _ITEM_RIGHT, archive, headers=_PAGE)
        for page in self.transport.pages(call, delta=False):
            self.abilities.versions[archive] = version
            listed = {identity(one, ITEMS): _key(one) for one in page.entities}
            found |= listed
            changes = tuple(
                _change(one)
                for one in page.entities
                if known.get(text(one, "id")) != listed[text(one, "id")]
            )
            if not page.complete:
                kept = before
                if first:
                    kept = write(_KIND, version=version, known=packed(found), next=page.cursor)
                yield ChangePage(changes, kept, complete=False)
        missing = known.keys() - found.keys()
        whole = not missing or len(found) == self._count(archive, folder, version)
        removed = missing & absent.keys() if whole else set[str]()
        changes += tuple(ItemChange(ARCHIVE + one, removed=True) for one in sorted(removed))
        kept_items = found | {one: known[one] for one in missing - removed}
        now_absent = dict.fromkeys(missing - removed, "") if whole else absent
        kept = write(_KIND, version=version, known=packed(kept_items), absent=packed(now_absent))
        yield ChangePage(changes, kept, complete=True)

    def _count(self, archive: str, folder: str, version: str) -> int:
        target = path(*_folders(archive), folder, version=version)
        call = Call("GET", target, FOLDERS, _FOLDER_RIGHT, archive)
        return number(self.transport.json(call), "totalItemCount")

    def _pages(
        self,
        archive: str,
        target: str,
        what: str,
        permission: str,
        *,
        probe: bool = False,
        cursor: bool = False,
    ) -> Iterator[Page]:
        call = Call("GET", target, what, permission, archive, headers=_PAGE, cursor=cursor)
        if probe:
            call = replace(call, attempts=_PROBES)
        return self.transport.pages(call, delta=True)


def _telling(failures: list[SourceError]) -> SourceError:
    """Of what the versions answered: that it is gone, which only one that serves archives can
    know, else what the last one said."""
    return next((one for one in failures if isinstance(one, Gone)), failures[-1])


def _folders(archive: str) -> tuple[str, ...]:
    return ("admin", "exchange", "mailboxes", archive, "folders")


def _items(archive: str, folder: str) -> tuple[str, ...]:
    return (*_folders(archive), folder, "items")


def _present(entities: list[JsonObject]) -> list[JsonObject]:
    return [one for one in entities if "@removed" not in one]


def _removed(entities: list[JsonObject]) -> list[JsonObject]:
    return [one for one in entities if "@removed" in one]


def _key(entity: JsonObject) -> str:
    """What is another one when the item has changed."""
    return text(entity, "changeKey") or text(entity, "lastModifiedDateTime")


def _change(entity: JsonObject) -> ItemChange:
    change = change_of(entity, ITEMS)
    return replace(change, id=ARCHIVE + change.id)


def _roots(listed: list[JsonObject]) -> dict[str, str]:
    """The folders that hold others and are not listed: real id → the id they get here."""
    ids = {text(one, "id") for one in listed}
    roots: dict[str, str] = {}
    for one in listed:
        parent = text(one, "parentFolderId")
        if parent and parent not in ids:
            roots.setdefault(parent, ARCHIVE)
            if _is_recoverable(one):
                roots[parent] = RECOVERABLE
    return roots


def _is_recoverable(entity: JsonObject) -> bool:
    """Archives know no well-known names; these folders have the same name in all languages."""
    names = ("Deletions", "Purges", "Versions", "DiscoveryHolds", "SubstrateHolds")
    known = text(entity, "wellKnownName").lower()
    return known.startswith("recoverableitems") or text(entity, "displayName") in names


def _tops(roots: dict[str, str]) -> list[SourceFolder]:
    """The folders above those that are listed, as Exchange Server's archives have them."""
    tops = [SourceFolder(ARCHIVE, None, "Online Archive", "", "archivemsgfolderroot", 0)]
    if RECOVERABLE in roots.values():
        name = "archiverecoverableitemsroot"
        tops.append(SourceFolder(RECOVERABLE, ARCHIVE, "Recoverable Items", "", name, 0))
    return tops


def _placed(entities: list[JsonObject], roots: dict[str, str]) -> list[SourceFolder]:
    placed = []
    for entity in entities:
        folder = folder_of(entity, FOLDERS)
        above = folder.parent_id or ""
        placed.append(
            replace(
                folder,
                id=ARCHIVE + folder.id,
                parent_id=roots.get(above, ARCHIVE + above) if above else ARCHIVE,
                well_known=f"archive{folder.well_known}" if folder.well_known else None,
            )
        )
    return placed


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: one for key, one in value.items() if isinstance(one, str)}
