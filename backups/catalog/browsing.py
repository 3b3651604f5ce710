"""What a mailbox held at a restore point: its folders as a tree, and one page of items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from backups.catalog.forms import BrowseForm
from backups.catalog.lexemes import folder_mark
from backups.catalog.models import Folder, ItemVersion, RestorePoint
from backups.catalog.pages import SIZE, After, ItemPage
from backups.catalog.querysets import ItemVersionQuerySet
from backups.catalog.search import State, search
from backups.catalog.terms import QueryError, Terms, understand

MOST_FOLDERS = 200
"""Folders of one name that a search looks into."""
DEEPEST = 8
"""Folders below this level are drawn at this level; a loop of parents ends here too."""


@dataclass(frozen=True, slots=True)
class TreeFolder:
    """A folder as a line of the tree: ``depth`` from 0, ``items`` at the restore point."""

    folder: Folder
    depth: int
    items: int


@dataclass(frozen=True, slots=True)
class Place:
    """What is looked at. No ``folder`` means the whole mailbox."""

    point: RestorePoint
    folder: str
    words: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """A place in a mailbox with everything its page shows."""

    place: Place
    folders: Sequence[TreeFolder]
    page: ItemPage
    problem: str = ""
    """Why the search could not be understood."""

    @property
    def lines(self) -> list[tuple[ItemVersion, str]]:
        """The items of the page, with the name of the folder where more than one is shown."""
        if self.place.folder:
            return [(item, "") for item in self.page.items]
        names = {line.folder.folder_id: line.folder.name for line in self.folders}
        return [(item, names.get(item.folder_id, "")) for item in self.page.items]

    @property
    def folder(self) -> Folder | None:
        """The chosen folder, None for the whole mailbox or one that is not there."""
        chosen = (line.folder for line in self.folders)
        return next((row for row in chosen if row.folder_id == self.place.folder), None)


def browse(point: RestorePoint, form: BrowseForm) -> Contents:
    """Look into the mailbox where the address says; without a folder, into the first that is full.

    A search, or the look at deleted items, covers the whole mailbox unless a folder is named.
    """
    deleted, words = form.yes("deleted"), form.words("q")
    folders = tree(point, deleted=deleted)
    folder = form.words("folder")
    if not folder and not words and not deleted and not form.yes("everywhere"):
        folder = next((line.folder.folder_id for line in folders if line.items), "")
    place = Place(point, folder, words, deleted)
    after = After.read(form.words("after"))
    try:
        return Contents(place, folders, items(place, after))
    except QueryError as error:
        return Contents(place, folders, ItemPage.of([], None), str(error))


def tree(point: RestorePoint, *, deleted: bool = False) -> list[TreeFolder]:
    """The folders at the point, parents before children, well-known ones first.

    With ``deleted`` the counts are of what is gone, and folders that are gone are listed too.
    """
    folders = Folder.objects.filter(backup=point.backup_id, first__lte=point.sequence)
    shown = folders.order_by("folder_id", "-first").distinct("folder_id")
    if not deleted:
        shown = folders.at(point.sequence)
    counted = _versions(point, deleted=deleted).order_by().values_list("folder_id")
    counts = dict(counted.annotate(Count("pk")))
    return list(_walk(list(shown), counts))


def items(place: Place, after: After | None) -> ItemPage:
    """One page of items, newest first. Raises QueryError."""
    point = place.point
    if place.words:
        found = search(
            read_query(place.words, point.backup_id),
            most=SIZE + 1,
            backup_id=point.backup_id,
            folder_id=place.folder,
            state="gone" if place.deleted else "point",
            point=point.sequence,
            after=after,
        )
        return ItemPage.of(found, after)
    if not place.deleted:
        found = ItemVersion.objects.page(
            point.backup_id, place.folder, point.sequence, after, SIZE + 1
        )
        return ItemPage.of(found, after)
    rows = _versions(point, deleted=True)
    if place.folder:
        rows = rows.filter(folder_id=place.folder)
    return ItemPage.of(
        list(rows.for_lists().select_related("backup").newest_first(after)[: SIZE + 1]), after
    )


def everywhere(form: BrowseForm) -> dict[str, object]:
    """A page of what a search finds in all mailboxes, with the folder of each item.

    With ``deleted`` also versions that are not in the newest restore points any more.
    """
    after = After.read(form.words("after"))
    state: State = "ever" if form.yes("deleted") else "now"
    try:
        found = search(read_query(form.words("q")), most=SIZE + 1, state=state, after=after)
    except QueryError as error:
        return {"problem": str(error)}
    page = ItemPage.of(found, after)
    wanted = {item.folder_id for item in page.items}
    rows = Folder.objects.filter(folder_id__in=wanted).order_by("first")
    names = {(row.backup_id, row.folder_id): row.name for row in rows}
    lines = [(item, names.get((item.backup_id, item.folder_id), "")) for item in page.items]
    return {"page": page, "lines": lines}


def read_query(words: str, backup_id: UUID | None = None) -> Terms:
    """What a person of the current time zone searches for. Raises QueryError."""

    def folders(name: str) -> list[str]:
        rows = Folder.objects.filter(name__iexact=name)
        if backup_id is not None:
            rows = rows.filter(backup=backup_id)
        ids = rows.values_list("folder_id", flat=True).distinct()[: MOST_FOLDERS + 1]
        if len(ids) > MOST_FOLDERS:
            raise QueryError(
                f"More than {MOST_FOLDERS} folders are called {name}: search inside one mailbox."
            )
        return [folder_mark(folder_id) for folder_id in ids]

    zone, today = timezone.get_current_timezone(), timezone.localdate()
    return understand(words, zone=zone, today=today, folders=folders)


def _versions(point: RestorePoint, *, deleted: bool) -> ItemVersionQuerySet:
    versions = ItemVersion.objects.filter(backup=point.backup_id)
    if not deleted:
        return versions.at(point.sequence)
    # In a query of its own: its order decides which version of an item is the newest.
    return ItemVersion.objects.filter(pk__in=versions.gone_by(point.sequence).values("pk"))


def _walk(folders: Sequence[Folder], counts: dict[str, int]) -> Iterator[TreeFolder]:
    known = {folder.folder_id for folder in folders}
    children: dict[str, list[Folder]] = defaultdict(list)
    for folder in folders:
        parent = folder.parent_id if folder.parent_id in known else ""
        children[parent].append(folder)

    def below(parent: str, depth: int) -> Iterator[TreeFolder]:
        for folder in sorted(children.pop(parent, []), key=_rank):
            yield TreeFolder(folder, min(depth, DEEPEST), counts.get(folder.folder_id, 0))
            yield from below(folder.folder_id, depth + 1)

    yield from below("", 0)
    for parent in list(children):
        yield from below(parent, 0)


def _rank(folder: Folder) -> tuple[bool, bool, str]:
    return (folder.well_known != "inbox", not folder.well_known, folder.name.casefold())
