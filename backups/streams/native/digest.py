"""A digest of what an item says, whichever server holds it.

An import gives an item new ids, dates and a new owner of changes, a server update another build
number, another mailbox other numbers for named properties. The digest is taken over the rest, in
an order of its own, so that the same item has the same digest before a backup and after a
restore. docs/streams.md describes the canonical form.
"""

from __future__ import annotations

import codecs
import hashlib
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Final

from backups.streams.native import tags
from backups.streams.native.content import PIECE, Content, pieces_of
from backups.streams.native.properties import CODE_PAGE, STRING, UNICODE, codec_of, is_text
from backups.streams.native.tokens import Node, Owner

_IDENTITY = "names the object in one mailbox"
_CHANGE = "counts changes on one server"
_STAMP = "set by the server that saves the item"
_COMPUTED = "computed by the server from the rest of the item"
_TRANSPORT = "belongs to the transfer, not to the item"

EXCLUDED: Final[dict[int, tuple[str, str]]] = {
    0x0FFF: ("PidTagEntryId", _IDENTITY),
    0x0E09: ("PidTagParentEntryId", _IDENTITY),
    0x0FF9: ("PidTagRecordKey", _IDENTITY),
    0x0FF6: ("PidTagInstanceKey", _IDENTITY),
    0x0FFB: ("PidTagStoreEntryId", _IDENTITY),
    0x0FFA: ("PidTagStoreRecordKey", _IDENTITY),
    0x0FF8: ("PidTagMappingSignature", _IDENTITY),
    0x65E0: ("PidTagSourceKey", _IDENTITY),
    0x65E1: ("PidTagParentSourceKey", _IDENTITY),
    0x674A: ("PidTagMid", _IDENTITY),
    0x6748: ("PidTagFolderId", _IDENTITY),
    0x6749: ("PidTagParentFolderId", _IDENTITY),
    0x674D: ("PidTagInstID", _IDENTITY),
    0x0E23: ("PidTagInternetArticleNumber", _IDENTITY),
    0x0E30: ("PidTagReplItemid", _IDENTITY),
    0x0E05: ("PidTagParentDisplay", _IDENTITY),
    0x65E2: ("PidTagChangeKey", _CHANGE),
    0x65E3: ("PidTagPredecessorChangeList", _CHANGE),
    0x67A4: ("PidTagChangeNumber", _CHANGE),
    0x0E33: ("PidTagReplChangenum", _CHANGE),
    0x0E34: ("PidTagReplVersionHistory", _CHANGE),
    0x3007: ("PidTagCreationTime", _STAMP),
    0x3008: ("PidTagLastModificationTime", _STAMP),
    0x6709: ("PidTagLocalCommitTime", _STAMP),
    0x3FF8: ("PidTagCreatorName", _STAMP),
    0x3FF9: ("PidTagCreatorEntryId", _STAMP),
    0x4022: ("PidTagCreatorAddressType", _STAMP),
    0x4023: ("PidTagCreatorEmailAddress", _STAMP),
    0x4038: ("PidTagCreatorSimpleDisplayName", _STAMP),
    0x4059: ("PidTagCreatorFlags (not in MS-OXPROPS)", _STAMP),
    0x0E58: ("PidTagCreatorSID (not in MS-OXPROPS)", _STAMP),
    0x3FFA: ("PidTagLastModifierName", _STAMP),
    0x3FFB: ("PidTagLastModifierEntryId", _STAMP),
    0x4024: ("PidTagLastModifierAddressType (not in MS-OXPROPS)", _STAMP),
    0x4025: ("PidTagLastModifierEmailAddress (not in MS-OXPROPS)", _STAMP),
    0x4039: ("PidTagLastModifierSimpleDisplayName", _STAMP),
    0x405A: ("PidTagLastModifierFlags (not in MS-OXPROPS)", _STAMP),
    0x0E59: ("PidTagLastModifierSID (not in MS-OXPROPS)", _STAMP),
    0x0E08: ("PidTagMessageSize", _COMPUTED),
    0x0E20: ("PidTagAttachSize", _COMPUTED),
    0x0E21: ("PidTagAttachNumber", _COMPUTED),
    0x3000: ("PidTagRowid", _COMPUTED),
    0x0E1B: ("PidTagHasAttachments", _COMPUTED),
    0x0E69: ("PidTagRead", _COMPUTED),
    0x0E02: ("PidTagDisplayBcc", _COMPUTED),
    0x0E03: ("PidTagDisplayCc", _COMPUTED),
    0x0E04: ("PidTagDisplayTo", _COMPUTED),
    0x3013: ("PidTagConversationId", _COMPUTED),
    0x0FF4: ("PidTagAccess", _COMPUTED),
    0x0FF7: ("PidTagAccessLevel", _COMPUTED),
    0x664A: ("PidTagHasNamedProperties", _COMPUTED),
    0x10F3: ("PidTagUrlComponentName", _COMPUTED),
    0x6707: ("PidTagUrlName", _COMPUTED),
    0x4008: ("MetaTagDnPrefix", _TRANSPORT),
    0x400F: ("MetaTagEcWarning", _TRANSPORT),
    0x4016: ("MetaTagFXDelProp", _TRANSPORT),
}
"""Property ids that the digest leaves out: name in MS-OXPROPS or MS-OXCFXICS, and why."""

_VERSION: Final = b"stowage item digest 1\n"
_FLAGS_KEPT: Final = tags.FLAG_READ | tags.FLAG_UNSENT
_OWNERS = {Owner.MESSAGE: b"M", Owner.RECIPIENT: b"R", Owner.ATTACHMENT: b"A"}
_HEAD = struct.Struct(">HI")
_COUNT = struct.Struct(">I")
_U32 = struct.Struct("<I")


def digest_of(root: Node, content: Content, without: Collection[int] = ()) -> bytes:
    """SHA-256 of the canonical form of the message at ``root``.

    ``without`` are ids of further properties that are left out.
    """
    state = hashlib.sha256(_VERSION)
    left_out = EXCLUDED.keys() | without if without else EXCLUDED.keys()
    _feed(root, content, left_out, state.update)
    # A stack in place of recursion: messages lie inside each other to any depth.
    open_nodes = [iter(root.children)]
    while open_nodes:
        child = next(open_nodes[-1], None)
        if child is None:
            open_nodes.pop()
            state.update(b".")
        else:
            _feed(child, content, left_out, state.update)
            open_nodes.append(iter(child.children))
    return state.digest()


def _feed(
    node: Node, content: Content, left_out: Collection[int], update: Callable[[bytes], None]
) -> None:
    """What the canonical form says of ``node`` itself, without the nodes inside it."""
    entries = []
    for tag, start, stop, name in node.properties:
        number = tag >> 16
        if name is not None:
            entries.append((name, tag & 0xFFFF, start, stop))
        elif number not in left_out:
            entries.append((number.to_bytes(2, "big"), tag & 0xFFFF, start, stop))
    entries.sort()
    small = [_OWNERS[node.owner], _COUNT.pack(len(entries))]
    for key, kind, start, stop in entries:
        if stop - start > PIECE:
            update(b"".join(small))
            small.clear()
            _feed_large(key, kind, content, start, stop, update)
        else:
            small += _canonical(key, kind, content[start:stop])
    update(b"".join(small))


def _canonical(key: bytes, kind: int, value: bytes) -> tuple[bytes, bytes]:
    """Key, type, length and value; every string as UTF-16 without its terminating NUL."""
    if kind in (UNICODE, STRING):
        kind = STRING
        value = value.removesuffix(b"\0\0")
    elif kind & CODE_PAGE and is_text(kind):
        try:
            value = value.decode(codec_of(kind)).encode("utf-16-le").removesuffix(b"\0\0")
            kind = STRING
        except ValueError:  # not readable in its own code page: taken as it stands
            pass
    elif key == _FLAGS_KEY and len(value) == 4:
        value = _U32.pack(_U32.unpack(value)[0] & _FLAGS_KEPT)
    return _head(key, kind, len(value)), value


def _feed_large(
    key: bytes, kind: int, content: Content, start: int, stop: int, update: Callable[[bytes], None]
) -> None:
    """The same of a large value, in pieces; a string is read twice, first for its length."""
    if kind in (UNICODE, STRING):
        kind = STRING
        stop -= 2 * (content[stop - 2 : stop] == b"\0\0")
    elif kind & CODE_PAGE and is_text(kind):
        with suppress(ValueError):  # as above
            left = _unicode_size(kind, content, start, stop)
            update(_head(key, STRING, left))
            for piece in _unicode(kind, content, start, stop):
                update(piece[:left])
                left -= min(left, len(piece))
            return
    update(_head(key, kind, stop - start))
    for piece in pieces_of(content, start, stop):
        update(piece)


def _unicode_size(kind: int, content: Content, start: int, stop: int) -> int:
    """Bytes of a string in UTF-16, without its terminating NUL; ValueError where it is damaged."""
    size, last = 0, b""
    for piece in _unicode(kind, content, start, stop):
        size += len(piece)
        last = (last + piece)[-2:]
    return size - 2 * (last == b"\0\0")


def _unicode(kind: int, content: Content, start: int, stop: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec_of(kind))()
    for piece in pieces_of(content, start, stop):
        yield decoder.decode(piece).encode("utf-16-le")
    yield decoder.decode(b"", True).encode("utf-16-le")


def _head(key: bytes, kind: int, size: int) -> bytes:
    return _COUNT.pack(len(key)) + key + _HEAD.pack(kind, size)


_FLAGS_KEY: Final = tags.MESSAGE_FLAGS.to_bytes(2, "big")
