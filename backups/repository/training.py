"""When a tenant gets a dictionary, and from what it is trained."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from backports import zstd

from .blobs import DICTIONARY_LEVEL
from .dictionaries import Dictionaries, Dictionary
from .errors import RepositoryError

SIZE = 256 * 1024
"""Bytes of a dictionary; about 84 KiB of it are left when a pack's directory is compressed."""
SMALLER = 112 * 1024
"""Tried where zstd stops far before ``SIZE``, which gives poor dictionaries."""
ENOUGH_BYTES = 7 * 1024 * 1024
ENOUGH_PARTS = 500
KEPT_BYTES = 8 * 1024 * 1024
LIFE = timedelta(days=90)
BETTER = 0.95
"""A younger dictionary takes over when it leaves at most this share of the older one's bytes."""
HELD_OUT = 4
"""One sample in so many judges a dictionary and does not train it."""

Clock = Callable[[], datetime]


def now() -> datetime:
    return datetime.now(UTC)


class Samples:
    """A fair choice among all parts that were offered, bounded in memory."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._bytes = 0
        self._offered = 0
        # Which samples are kept decides about some bytes of space only.
        self._chance = random.Random(0)  # noqa: S311

    @property
    def enough(self) -> bool:
        return self._bytes >= ENOUGH_BYTES and len(self._kept) >= ENOUGH_PARTS

    def offer(self, part: bytes) -> None:
        self._offered += 1
        if self._bytes + len(part) <= KEPT_BYTES:
            self._kept.append(part)
            self._bytes += len(part)
            return
        place = self._chance.randrange(self._offered)
        if place < len(self._kept) and self._room_at(place) >= len(part):
            self._bytes += len(part) - len(self._kept[place])
            self._kept[place] = part

    def train(self) -> bytes | None:
        """None when zstd finds nothing in common."""
        return _trained(self._kept)

    def train_better(self, older: Dictionary) -> bytes | None:
        """None when ``older`` compresses what neither was trained on about as well."""
        held_out = self._kept[::HELD_OUT]
        rest = [part for place, part in enumerate(self._kept) if place % HELD_OUT]
        content = _trained(rest)
        if content is None:
            return None
        size = _size(held_out, zstd.ZstdDict(content))
        return content if size <= BETTER * _size(held_out, older.frames) else None

    def _room_at(self, place: int) -> int:
        return KEPT_BYTES - self._bytes + len(self._kept[place])


class Trainer:
    """The dictionary that one writer uses, and how a new one comes about.

    Whatever goes wrong with dictionaries costs space, never a backup.
    """

    def __init__(self, dictionaries: Dictionaries, clock: Clock = now) -> None:
        self._dictionaries = dictionaries
        self._clock = clock
        self._samples: Samples | None = None
        self._current: Dictionary | None = None
        self._asked = False
        self._training: Future[bytes | None] | None = None

    def offer(self, part: bytes) -> None:
        """A small part that is about to be stored."""
        self._ask()
        if self._samples is not None:
            self._samples.offer(part)

    @property
    def expects_one(self) -> bool:
        """Whether there is none, and the first is being trained or samples for it collected."""
        return self._current is None and (self._samples is not None or self.is_training)

    @property
    def is_training(self) -> bool:
        """Whether the first one has been begun; ``finished`` waits for it."""
        return self._training is not None

    def dictionary(self) -> Dictionary | None:
        """The one to use now; when it is time, training begins.

        The first is trained in a thread of its own, for nothing small can be packed before; a
        better one while the caller waits.
        """
        self._ask()
        if self._samples is not None and self._samples.enough:
            samples, self._samples = self._samples, None
            older = self._current = self._current or self._made_meanwhile()
            if older is None:
                thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="training")
                self._training = thread.submit(samples.train)
                thread.shutdown(wait=False)
            elif not self._is_young(older) and (content := samples.train_better(older)):
                self._adopt(content)
        return self._current

    def finished(self) -> Dictionary | None:
        """The one to use, once what is being trained is ready."""
        if self._training is None:
            return self.dictionary()
        content, self._training = self._training.result(), None
        if content is not None:
            self._adopt(content)
        return self._current

    def _ask(self) -> None:
        if self._asked:
            return
        self._asked = True
        try:
            self._current = self._dictionaries.newest()
        except RepositoryError:
            return  # the storage does not answer: no dictionary, and none is made
        if self._current is None or not self._is_young(self._current):
            self._samples = Samples()

    def _made_meanwhile(self) -> Dictionary | None:
        """By another writer, for the same mail."""
        try:
            return self._dictionaries.newest()
        except RepositoryError:
            return None

    def _is_young(self, dictionary: Dictionary) -> bool:
        trained_at = dictionary.trained_at
        return trained_at is not None and self._clock() - trained_at <= LIFE

    def _adopt(self, content: bytes) -> None:
        if self._current is None and (first := self._made_meanwhile()) is not None:
            self._current = first
            return
        try:
            self._current = self._dictionaries.create(content, self._clock())
        except (RepositoryError, ValueError):
            return  # the one before, or none, goes on


def _trained(samples: Sequence[bytes]) -> bytes | None:
    try:
        content = zstd.train_dict(samples, SIZE).dict_content
        if len(content) < SIZE // 2:
            content = zstd.train_dict(samples, SMALLER).dict_content
        return content
    except (zstd.ZstdError, ValueError):
        return None


def _size(parts: Sequence[bytes], dictionary: zstd.ZstdDict) -> int:
    compressor = zstd.ZstdCompressor(level=DICTIONARY_LEVEL, zstd_dict=dictionary.as_digested_dict)
    return sum(len(compressor.compress(part, compressor.FLUSH_FRAME)) for part in parts)
