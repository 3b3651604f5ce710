"""Which blobs of a pack can be read, when something is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from . import layout
from .backend import Backend
from .blobs import read_header, verify_checksum
from .dictionaries import NONE
from .errors import Damaged, NotFound, Unavailable, Unreadable
from .packs import Entry
from .vault import Vault


def damaged_blobs(
    backend: Backend, vault: Vault, pack: str, entries: Iterable[Entry]
) -> list[tuple[Entry, str]]:
    """Those of the entries that are not there whole, with the reason. Raises Unavailable.

    The entries come from the blob index: the pack's own directory may be what is damaged.
    """
    name = layout.pack_key(vault.tenant, pack)
    try:
        content = memoryview(backend.get(name))
    except NotFound:
        return [(entry, "the pack is missing") for entry in entries]
    found = []
    usable: dict[int, bool] = {NONE: True}
    for entry in entries:
        blob_id, offset, length = entry
        try:
            blob = content[offset : offset + length]
            header = read_header(blob, name)
            verify_checksum(header, blob, name)
            if header.id != blob_id:
                raise Damaged(name, f"holds blob {header.id.hex()} there")
            if header.dictionary not in usable:
                usable[header.dictionary] = _can_use(vault, pack, header.dictionary)
            if not usable[header.dictionary]:
                raise Damaged(name, f"dictionary {header.dictionary} can't be read anywhere")
        except Unreadable as error:
            found.append((entry, error.reason))
    return found


def _can_use(vault: Vault, pack: str, number: int) -> bool:
    try:
        vault.read_dictionary(number)
    except Unavailable:
        raise
    except (NotFound, Unreadable):
        try:
            return number in vault.read_pack(pack).dictionaries
        except (NotFound, Unreadable):
            return False
    return True
