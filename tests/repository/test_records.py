"""Records survive the way to disk, and strange bytes never do more than be refused."""

from __future__ import annotations

import dataclasses
import hashlib
import string
from datetime import UTC, datetime
from uuid import UUID

import msgpack
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.parts import PLAIN, Coding, Layout, Recipe, Transfer
from backups.repository import (
    BlobRef,
    Checkpoint,
    Commit,
    CommitKind,
    Damaged,
    Expired,
    FaultRecord,
    FolderBackend,
    FolderRecord,
    FolderVersion,
    Hold,
    ItemRecord,
    PackClass,
    Point,
    TenantKeys,
    UnsupportedFormat,
    decode_references,
    encode_references,
    envelope,
    packs,
)
from backups.repository import commits as records
from backups.repository.blobs import BlobCodec
from backups.repository.commits import Base
from backups.repository.dictionaries import Dictionaries
from backups.repository.segments import Segment, Segments

from .world import MORNING

KEY = bytes(range(32))
CODEC = BlobCodec(TenantKeys(KEY, KEY, KEY, KEY))

text = st.text(max_size=20)
strange_text = st.text(st.characters(codec=None), max_size=20)
counts = st.integers(0, 2**40)
hashes = st.binary(min_size=32, max_size=32)
times = st.datetimes(datetime(1601, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))
holes = st.lists(st.tuples(counts, counts), max_size=4).map(tuple)
frames = st.lists(st.tuples(st.integers(1, 2**40), counts), max_size=4).map(tuple)
native = st.builds(Recipe, st.sampled_from([Layout.RAW, Layout.FTS]), counts, counts, frames, holes)
codings = st.just(PLAIN) | st.builds(
    Coding,
    st.sampled_from([Transfer.BASE64_LF, Transfer.BASE64_CRLF]),
    st.just(0) | st.integers(4, 4096),
)
coded = st.lists(st.tuples(st.tuples(counts, counts), codings), max_size=4)
mime = st.builds(
    lambda parts, pairs: Recipe(
        Layout.MIME, parts, 0, (), tuple(hole for hole, _ in pairs), tuple(c for _, c in pairs)
    ),
    counts,
    coded,
)
recipes = native | mime
references = st.lists(
    st.builds(BlobRef, hashes, hashes, st.integers(0, 4 * 1024 * 1024)), max_size=4
).map(tuple)
values = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | strange_text | times
indexes = st.dictionaries(text, values | st.lists(text, max_size=3), max_size=5)
items = st.builds(ItemRecord, text, text, text, text, counts, hashes, recipes, references, indexes)
folders = st.builds(FolderRecord, text, st.none() | text, strange_text, text, st.none() | text)
faults = st.builds(FaultRecord, text, text, strange_text, counts)
expired = st.builds(
    Expired, st.lists(counts, max_size=3), st.lists(st.tuples(text, counts), max_size=3)
)
holds = st.builds(Hold, st.uuids(), strange_text, st.booleans())
segments_ = st.builds(Segment, hashes, counts, hashes)
intervals = st.integers(1, 2**20)
folder_versions = st.builds(
    lambda first, more, folder: FolderVersion(first, more and first + more, folder),
    intervals,
    st.none() | intervals,
    folders,
)
points = st.builds(
    Point,
    counts,
    times,
    st.uuids(),
    counts,
    counts,
    counts,
    st.dictionaries(text, counts | text, max_size=2),
)
checkpoints = st.builds(
    Checkpoint,
    counts,
    st.lists(segments_, max_size=3),
    st.lists(folder_versions, max_size=3),
    st.dictionaries(text, text, max_size=3),
    st.lists(faults, max_size=2),
    st.lists(points, max_size=2),
    st.dictionaries(st.uuids(), text, max_size=2),
)
bases = st.builds(Base, st.just(0), counts, counts)
commits = st.builds(
    Commit,
    mailbox=st.uuids(),
    sequence=st.integers(1, 9_999_999_999),
    kind=st.sampled_from([CommitKind.PARTIAL, CommitKind.COMPLETE, CommitKind.VOID]),
    previous=hashes,
    run=st.uuids(),
    taken_at=times,
    folders=st.lists(folders, max_size=3),
    removed_folders=st.lists(text, max_size=3),
    items=st.lists(items, max_size=3),
    removed_items=st.lists(text, max_size=3),
    cursors=st.dictionaries(text, st.none() | text, max_size=3),
    faults=st.lists(faults, max_size=3),
    coverage=st.dictionaries(text, counts | text, max_size=3),
    base=bases,
    checkpoint=st.none() | checkpoints,
)
expiries = st.builds(
    lambda commit, what: dataclasses.replace(commit, kind=CommitKind.EXPIRY, expired=what),
    commits,
    expired,
)
placed = st.builds(
    lambda commit, hold: dataclasses.replace(commit, kind=CommitKind.HOLD, hold=hold),
    commits,
    holds,
)


@settings(max_examples=60, deadline=None)
@given(commits | expiries | placed)
def test_a_commit_survives_the_way_to_disk(commit: Commit) -> None:
    there_and_back = records.decode(records.encode(commit), "it")
    assert there_and_back == commit
    assert there_and_back.base == commit.base
    assert there_and_back.checkpoint == commit.checkpoint


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CommitKind), st.none() | expired, st.none() | holds)
def test_only_its_own_kind_of_commit_expires_or_holds(
    kind: CommitKind, what: Expired | None, hold: Hold | None
) -> None:
    commit = Commit(UUID(int=1), 1, kind, bytes(32), UUID(int=2), MORNING, expired=what, hold=hold)
    fits = (what is not None) == (kind is CommitKind.EXPIRY)
    fits &= (hold is not None) == (kind is CommitKind.HOLD)
    if fits:
        assert records.decode(records.encode(commit), "it") == commit
    else:
        with pytest.raises(ValueError, match="no other"):
            records.encode(commit)


@settings(max_examples=100, deadline=None)
@given(recipes, references)
def test_references_survive_the_way_to_the_database(
    recipe: Recipe, refs: tuple[BlobRef, ...]
) -> None:
    assert decode_references(encode_references(recipe, refs)) == (recipe, refs)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_strange_bytes_are_refused_as_commit_and_as_references(content: bytes) -> None:
    for read in (lambda: records.decode(content, "it"), lambda: decode_references(content)):
        with pytest.raises((Damaged, UnsupportedFormat)):
            read()


WHOLE = msgpack.unpackb(
    records.encode(
        Commit(
            UUID(int=1),
            1,
            CommitKind.COMPLETE,
            bytes(32),
            UUID(int=2),
            datetime(2026, 1, 1, tzinfo=UTC),
        )
    ),
    timestamp=3,
)
nonsense = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**63)
    | st.binary(max_size=5)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), nonsense)
def test_a_commit_with_nonsense_in_one_field_is_read_or_refused(name: str, value: object) -> None:
    content = msgpack.packb({**WHOLE, name: value}, datetime=True)
    try:
        commit = records.decode(content, "it")
    except (Damaged, UnsupportedFormat) as error:
        assert "it" in str(error)
    else:
        assert isinstance(commit, Commit)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_commit_without_one_of_its_fields_is_refused(name: str) -> None:
    content = msgpack.packb({k: v for k, v in WHOLE.items() if k != name}, datetime=True)
    with pytest.raises(Damaged):
        records.decode(content, "it")


def test_a_commit_from_the_future_is_refused_as_such() -> None:
    later = {**WHOLE, "version": 2, "more": "than this version knows"}
    with pytest.raises(UnsupportedFormat):
        records.decode(msgpack.packb(later, datetime=True), "it")


@pytest.mark.parametrize("changes", [{"more": 1}, {"version": 0}, {"base": [1, 0, 0]}])
def test_a_commit_with_what_its_version_does_not_have_is_damaged(
    changes: dict[str, object],
) -> None:
    with pytest.raises(Damaged):
        records.decode(msgpack.packb({**WHOLE, **changes}, datetime=True), "it")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.text(string.ascii_letters).map(str.encode))
def test_a_blob_opens_to_what_was_sealed(plaintext: bytes) -> None:
    ref = CODEC.reference(plaintext)
    blob = CODEC.seal(ref, PackClass.SKELETON, plaintext)
    assert CODEC.open(ref, blob, "it") == plaintext


def test_a_blob_is_not_larger_than_header_tag_and_content() -> None:
    plaintext = TenantKeys.generate().blob_secret
    ref = CODEC.reference(plaintext)
    assert len(CODEC.seal(ref, PackClass.SKELETON, plaintext)) == 80 + 16 + len(plaintext)


def test_a_blob_above_four_mebibytes_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4194304 bytes"):
        CODEC.reference(bytes(4 * 1024 * 1024 + 1))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=20))
def test_a_sealed_record_opens_in_its_context_only(plaintext: bytes, bound: bytes) -> None:
    sealed = envelope.seal(b"STWS", KEY, bound, plaintext)
    assert envelope.unseal(b"STWS", KEY, bound, sealed, "it") == plaintext
    for magic, key, other in (
        (b"STWC", KEY, bound),
        (b"STWS", KEY[::-1], bound),
        (b"STWS", KEY, bound + b"x"),
    ):
        with pytest.raises(Damaged, match=r"^it: "):
            envelope.unseal(magic, key, other, sealed, "it")


def test_a_record_that_unpacks_to_more_than_it_says_is_refused() -> None:
    with pytest.raises(Damaged):
        envelope.decompress(zstd.compress(bytes(10_000_000)), 100, "it")
    with pytest.raises(Damaged):
        envelope.decompress(zstd.compress(b"x" * 100) * 2, 100, "it")


record_like = st.recursive(
    nonsense | times | st.integers(0, 3) | hashes,
    lambda inner: st.lists(inner, min_size=1, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(record_like.map(lambda value: msgpack.packb(value, datetime=True)) | st.binary(max_size=60))
def test_nonsense_that_was_sealed_is_refused_wherever_it_lies(content: bytes) -> None:
    """Whoever has the keys may still have written it wrongly: only our own errors come out."""
    tenant, mailbox = UUID(int=1), UUID(int=2)
    backend = Shelf()
    bound = envelope.context("segment", tenant, mailbox)
    backend.content = sealed = envelope.seal(b"STWG", KEY, bound, content)
    segment = Segment(hashlib.sha256(sealed).digest(), 1, bytes(32))
    with pytest.raises((Damaged, UnsupportedFormat)):
        for entry in Segments(backend, tenant, mailbox, KEY).read(segment):
            entry.item("it")
    bound = envelope.context("dictionary", tenant, number=1)
    backend.content = envelope.seal(b"STWZ", KEY, bound, content)
    with pytest.raises((Damaged, UnsupportedFormat)):
        Dictionaries(backend, tenant, KEY).get(1)
    bound = envelope.context("pack-directory", tenant, number=8)
    directory = envelope.seal(b"STWD", KEY, bound, content)
    trailer = packs.Trailer(len(directory), 1, bytes(32))
    with pytest.raises((Damaged, UnsupportedFormat)):
        packs.read_directory(directory, trailer, 8, tenant=tenant, metadata_key=KEY, name="it")


class Shelf(FolderBackend):
    """Whatever is asked for, it gives the same bytes."""

    content = b""

    def __init__(self) -> None:
        super().__init__("nowhere")

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return self.content
