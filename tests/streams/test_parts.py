"""Joining: what any recipe, also a hostile one, makes of any parts."""

from __future__ import annotations

import base64
import struct
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.parts import (
    MAX_PART,
    PLAIN,
    Coding,
    CutItem,
    Layout,
    Part,
    Recipe,
    RecipeError,
    Role,
    Transfer,
    join,
    joined,
    matches,
)

LF_76 = Coding(Transfer.BASE64_LF, 76)
CRLF_4 = Coding(Transfer.BASE64_CRLF, 4)


class Counted(Sequence[bytes]):
    """Parts of one size that are made when they are asked for."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, key: int, /) -> bytes: ...
    @overload
    def __getitem__(self, key: slice, /) -> Sequence[bytes]: ...
    def __getitem__(self, key: int | slice, /) -> bytes | Sequence[bytes]:
        assert isinstance(key, int)
        self.asked.append(key)
        return bytes(self.size)


def mime(parts: Sequence[bytes], *codings: Coding, at: int = 0) -> bytes:
    """The parts after the first as pieces of values in the first, all at one offset."""
    holes = tuple((at, number + 1) for number in range(len(codings)))
    return join(Recipe(Layout.MIME, 1, 0, (), holes, codings), parts)


def test_pieces_of_one_base64_value_are_one_text() -> None:
    content = bytes(range(256)) * 3
    expected = b"<" + base64.encodebytes(content)[:-1] + b">"
    for first, second in [(1, 2), (3, 3), (57, 58), (56, 400), (0, 768)]:
        pieces = [content[:first], content[first:second], content[second:]]
        assert mime([b"<>", *pieces], LF_76, LF_76, LF_76, at=1) == expected


def test_values_of_another_coding_start_anew() -> None:
    assert mime([b"", b"a", b"a", b"b"], LF_76, CRLF_4, PLAIN) == b"YQ==YQ==b"
    assert mime([b"", b"abcdef"], CRLF_4) == b"YWJj\r\nZGVm"
    assert mime([b"", b""], CRLF_4) == b""


def test_a_recipe_is_stored_as_lists_and_integers() -> None:
    recipe = Recipe(Layout.MIME, 1, 0, (), ((5, 1), (9, 2)), (PLAIN, Coding(Transfer(2), 60)))

    assert recipe.to_record() == [2, 1, 0, [], [[5, 1, 0, 0], [9, 2, 2, 60]]]
    assert Recipe.from_record(recipe.to_record()) == recipe


@pytest.mark.parametrize(
    "record",
    [
        [2, 1, 0, [], [[0, 1]]],
        [2, 1, 0, [], [[0, 1, 0]]],
        [2, 1, 0, [], [[0, 1, 3, 0]]],
        [2, 1, 0, [], [[0, 1, 0, 76]]],
        [2, 1, 0, [], [[0, 1, 1, 3]]],
        [2, 1, 0, [], [[0, 1, 1, 4097]]],
        [2, 1, 0, [], [[0, 1, 1, 76, 0]]],
        [2, 1, 0, [[1, 1]], []],
        [1, 1, 0, [], [[0, 1, 1, 76]]],
        [0, 1, 0, [], [[0]]],
        [0, 1, 0, [], [7]],
        [0, 1, 0, [], [{}]],
        [0, 1.0, 0, [], []],
        [0, True, 0, [], []],
        [0, float("inf"), 0, [], []],
        [0, "1", 0, [], []],
        [{}, 1, 0, [], []],
        [0, 1, 0, 5, []],
        "abcde",
    ],
)
def test_records_of_no_recipe_are_refused(record: object) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_record(record)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(Layout.RAW, 2, 0, (), ()), "wants 2 skeleton parts, got 1"),
        (Recipe(Layout.RAW, 1, 4, (), ()), "prefix is longer"),
        (Recipe(Layout.RAW, 1, 0, (), ((0, 1),)), "wants part 1, there are 1"),
        (Recipe(Layout.RAW, 0, 0, (), ((1, 0),)), "beyond the skeleton"),
        (Recipe(Layout.RAW, 1, 0, (), ((4, 0),)), "beyond the skeleton"),
        (Recipe(Layout.FTS, 1, 0, ((2, 1),), ()), "frames hold 2 bytes, the content has more"),
        (Recipe(Layout.FTS, 1, 0, ((2, 2),), ()), "frames hold 4 bytes, the content has 3"),
        (Recipe(Layout.FTS, 1, 0, ((0, 3), (3, 1)), ()), "an empty frame"),
        (Recipe(Layout.MIME, 0, 0, (), ((0, 0),), ()), "0 codings for 1 holes"),
    ],
)
def test_a_recipe_that_does_not_fit_says_why(recipe: Recipe, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        join(recipe, [b"abc"])
    assert not matches(recipe, [b"abc"], b"abc")


def test_holes_out_of_order_are_refused() -> None:
    with pytest.raises(RecipeError, match="out of order"):
        join(Recipe(Layout.RAW, 1, 0, (), ((2, 1), (1, 2))), [b"abc", b"x", b"y"])


def test_a_match_is_of_all_bytes_and_nothing_else() -> None:
    recipe = Recipe(Layout.RAW, 2, 1, (), ((1, 2),))
    parts = [b"ab", b"cd", b"--"]

    for same in (b"ab--cd", bytearray(b"ab--cd"), memoryview(b"ab--cd")):
        assert matches(recipe, parts, same)
    for other in (b"ab--c", b"ab--cdx", b"ab-+cd", b"", b"xb--cd"):
        assert not matches(recipe, parts, other)


def test_an_item_is_joined_with_one_part_in_memory_at_a_time() -> None:
    parts = Counted(9, MAX_PART)
    holes = tuple((MAX_PART, number) for number in range(2, 9))
    frames = ((31_680, 1_191), (9 * MAX_PART - 31_680 * 1_191, 1))
    for recipe in (
        Recipe(Layout.FTS, 2, 0, frames, holes),
        Recipe(Layout.MIME, 2, 0, (), holes, (LF_76,) * 7),
    ):
        parts.asked.clear()
        tracemalloc.start()
        try:
            total = sum(map(len, joined(recipe, parts)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert total >= 9 * MAX_PART
        assert peak < 4 * MAX_PART
        assert parts.asked == [0, 2, 3, 4, 5, 6, 7, 8, 1]


def test_an_item_knows_whether_it_joins() -> None:
    item = CutItem(Recipe(Layout.RAW, 1, 0, (), ((1, 1),)), [_part(b"ab"), _part(b"-")])

    assert b"".join(item.joined()) == b"a-b"
    assert item.matches(b"a-b")
    assert not item.matches(b"ab")


def _part(content: bytes) -> Part:
    return Part(Role.SKELETON, content)


numbers = st.integers(0, 8)
hostile = st.builds(
    lambda layout, skeleton, prefix, frames, pairs: Recipe(
        layout, skeleton, prefix, frames, tuple(h for h, _ in pairs), tuple(c for _, c in pairs)
    ),
    st.sampled_from(Layout),
    numbers,
    numbers,
    st.lists(st.tuples(numbers, st.integers(0, 2**62))).map(tuple),
    st.lists(st.tuples(st.tuples(numbers, numbers), st.sampled_from([PLAIN, LF_76, CRLF_4]))).map(
        lambda pairs: sorted(pairs, key=lambda pair: pair[0][0])
    ),
)


@settings(max_examples=300, deadline=None)
@given(hostile, st.lists(st.binary(max_size=12), max_size=6))
def test_what_is_joined_never_outgrows_what_is_stored(recipe: Recipe, parts: list[bytes]) -> None:
    """A byte becomes at most two in base64, nine in frames of one, and a part is used twice."""
    stored = sum(map(len, parts))
    total = 0
    try:
        for piece in _bounded(joined(recipe, parts)):
            total += len(piece)
    except RecipeError:
        pass
    assert total <= 9 * 2 * stored


def _bounded(pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for number, piece in enumerate(pieces):
        assert number < 10_000
        yield piece


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=400), max_size=5),
    st.integers(4, 200) | st.just(0),
    st.sampled_from([Transfer.BASE64_LF, Transfer.BASE64_CRLF]),
)
def test_base64_is_that_of_python_however_the_value_is_cut(
    pieces: list[bytes], line: int, transfer: Transfer
) -> None:
    text = base64.b64encode(b"".join(pieces))
    end = b"\r\n" if transfer is Transfer.BASE64_CRLF else b"\n"
    step = line or max(len(text), 1)
    expected = end.join(text[at : at + step] for at in range(0, len(text), step))

    assert mime([b"", *pieces], *[Coding(transfer, line)] * len(pieces)) == expected


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(1, 9), min_size=1))
def test_frames_lie_where_the_recipe_says(content: bytes, sizes: list[int]) -> None:
    frames: list[tuple[int, int]] = []
    expected = b""
    position = 0
    for size in (sizes * 60)[:60]:
        piece = content[position : position + size]
        if piece:
            frames.append((len(piece), 1))
            expected += struct.pack("<II", 2, len(piece)) + piece
        position += size
    recipe = Recipe(Layout.FTS, 2, 0, tuple(frames), ())

    assert join(recipe, [content[:10], content[10:]]) == expected
