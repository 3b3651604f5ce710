"""Public folders: Exchange does not synchronize them, so they are listed whole and compared."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from backups.sources.errors import CursorExpired, Unavailable
from backups.sources.ews import cursors
from backups.sources.ews.answers import problem_of
from backups.sources.ews.listing import FOLDER_FIELDS, ITEM_FIELDS, folder_of, item_of
from backups.sources.ews.problems import error_of
from backups.sources.ews.soap import distinguished, folder_id, m, shape, t
from backups.sources.ews.transport import Call, Transport
from backups.sources.interface import ChangePage, FolderPage, ItemChange, SourceFolder

PAGE = 1000
"""EWSFindCountLimit of a server that nobody changed."""
_PARENTS_AT_ONCE = 50
_LONGEST_CURSOR = 64 * 1024 * 1024
ROOT = "publicfoldersroot"
_FOLDERS = "listing public folders"
_ITEMS = "listing items of a public folder"


@dataclass(frozen=True, slots=True)
class PublicListing:
    """Public folders as the mailbox with ``address`` sees them."""

    transport: Transport

    def folders(self, address: str, cursor: str | None) -> Iterator[FolderPage]:
        """All folders, level by level; removed are those of the last round that are not there.

        Pages before the last go on from where the round began: it is listed again.
        """
        known = _unpacked(cursors.read("public folders", cursor)) if cursor else {}
        found: dict[str, str] = {}
        parents = [distinguished(ROOT)]
        while parents:
            folders = self._below(address, parents)
            found |= {folder.id: "" for folder in folders}
            parents = [folder_id(folder.id) for folder in folders]
            last = not parents
            yield FolderPage(
                folders,
                tuple(known.keys() - found.keys()) if last else (),
                cursors.write("public folders", known=_packed(found if last else known)),
                last,
            )

    def items(self, address: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        """Items that are new or have another change key than in the last round.

        Removed are items of the last round only when nothing moved while the pages were read.
        """
        known = _unpacked(cursors.read("public items", cursor)) if cursor else {}
        unchanged = cursors.write("public items", known=_packed(known))
        found: dict[str, str] = {}
        totals: set[str] = set()
        offset: int | None = 0
        while offset is not None:
            holder = self._page(address, folder, offset)
            items = [item_of(element) for element in holder.iterfind(f"{t('Items')}/*")]
            found |= {item.id: item.change_key for item in items}
            totals.add(holder.get("TotalItemsInView", ""))
            offset = _next_offset(holder, offset)
            changed = tuple(item for item in items if known.get(item.id) != item.change_key)
            if offset is not None:
                yield ChangePage(changed, unchanged, complete=False)
        still = totals == {str(len(found))}
        removed = known.keys() - found.keys() if still else set()
        kept = found if still else known | found
        changed += tuple(ItemChange(item, removed=True) for item in removed)
        yield ChangePage(changed, cursors.write("public items", known=_packed(kept)), complete=True)

    def _below(self, address: str, parents: list[str]) -> tuple[SourceFolder, ...]:
        folders: list[SourceFolder] = []
        for start in range(0, len(parents), _PARENTS_AT_ONCE):
            asked = parents[start : start + _PARENTS_AT_ONCE]
            offset: int | None = 0
            while offset is not None:
                holders = self._find_folders(address, asked, offset)
                following = [_next_offset(holder, offset) for holder in holders]
                for holder in holders:
                    listed = holder.iterfind(f"{t('Folders')}/*")
                    top = parents == [distinguished(ROOT)]
                    folders += (
                        folder_of(one, top=top) for one in listed if one.tag != t("SearchFolder")
                    )
                asked = [
                    one for one, after in zip(asked, following, strict=True) if after is not None
                ]
                offset = offset + PAGE if asked else None
        return tuple(folders)

    def _find_folders(self, address: str, parents: list[str], offset: int) -> list[Element]:
        body = (
            f'<m:FindFolder Traversal="Shallow">{shape("FolderShape", *FOLDER_FIELDS)}'
            f'<m:IndexedPageFolderView MaxEntriesReturned="{PAGE}" Offset="{offset}"'
            f' BasePoint="Beginning"/><m:ParentFolderIds>{"".join(parents)}</m:ParentFolderIds>'
            "</m:FindFolder>"
        )
        _, messages = self.transport.messages(Call(body, _FOLDERS, address))
        if len(messages) != len(parents):
            raise Unavailable(f"{_FOLDERS}: {len(messages)} answers to {len(parents)} questions")
        return [_holder(message, _FOLDERS) for message in messages]

    def _page(self, address: str, folder: str, offset: int) -> Element:
        body = (
            f'<m:FindItem Traversal="Shallow">{shape("ItemShape", *ITEM_FIELDS)}'
            f'<m:IndexedPageItemView MaxEntriesReturned="{PAGE}" Offset="{offset}"'
            f' BasePoint="Beginning"/><m:ParentFolderIds>{folder_id(folder)}</m:ParentFolderIds>'
            "</m:FindItem>"
        )
        return _holder(self.transport.one(Call(body, _ITEMS, address)), _ITEMS)


def _holder(message: Element, what: str) -> Element:
    problem = problem_of(message)
    if problem:
        raise error_of(problem, what)
    holder = message.find(m("RootFolder"))
    if holder is None:
        raise Unavailable(f"{what}: the answer holds no page")
    return holder


def _next_offset(holder: Element, offset: int) -> int | None:
    """Where the next page starts, None after the last."""
    if holder.get("IncludesLastItemInRange", "").lower() in ("true", "1"):
        return None
    following = holder.get("IndexedPagingOffset", "")
    if not following.isdigit() or int(following) <= offset:
        raise Unavailable(f"{_ITEMS}: the server goes round in circles")
    return int(following)


def _packed(known: dict[str, str]) -> str:
    """Ids with their change keys, small: those of one folder have much in common."""
    lines = "\n".join(f"{identity} {key}" for identity, key in sorted(known.items()))
    return b64encode(zlib.compress(lines.encode(), 9)).decode()


def _unpacked(fields: dict[str, object]) -> dict[str, str]:
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(b64decode(str(fields["known"])), _LONGEST_CURSOR)
        lines = raw.decode().split("\n") if raw else []
        return {identity: key for identity, _, key in (line.partition(" ") for line in lines)}
    except (KeyError, binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise CursorExpired("the kept cursor can't be read") from error
