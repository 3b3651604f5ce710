"""A backend that fails as storage does: once, from some call on, or only in what it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from backups.repository import Backend, Unavailable
from backups.repository.backend import Content

T = TypeVar("T")
Listing = Callable[[Iterator[str]], Iterator[str]]


class FaultyBackend:
    """Another backend with faults in front; ``calls`` names each call and its object."""

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.fail_at: int | None = None
        """The number of the one call that fails, from 0."""
        self.done_before = False
        """The call that fails has done its work, and only the answer is lost."""
        self.listing: Listing = lambda keys: keys

    def prepare(self) -> None:
        self._call("prepare", self.inner.prepare)

    def put_immutable(self, key: str, data: Content) -> None:
        self._call(f"put {key}", lambda: self.inner.put_immutable(key, data))

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._call(f"get {key}", lambda: self.inner.get(key, offset, length))

    def list(self, prefix: str) -> Iterator[str]:
        return self.listing(self._call(f"list {prefix}", lambda: self.inner.list(prefix)))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._call(f"sizes {prefix}", lambda: self.inner.sizes(prefix))

    def folders(self, prefix: str) -> Sequence[str]:
        found = self._call(f"folders {prefix}", lambda: self.inner.folders(prefix))
        return list(self.listing(iter(found)))

    def exists(self, key: str) -> bool:
        return self._call(f"exists {key}", lambda: self.inner.exists(key))

    def size(self, key: str) -> int:
        return self._call(f"size {key}", lambda: self.inner.size(key))

    def delete(self, key: str) -> None:
        self._call(f"delete {key}", lambda: self.inner.delete(key))

    def free_bytes(self) -> int | None:
        return self._call("free_bytes", self.inner.free_bytes)

    def _call(self, name: str, call: Callable[[], T]) -> T:
        number = len(self.calls)
        self.calls.append(name)
        if number != self.fail_at:
            return call()
        if self.done_before:
            call()
        raise Unavailable(f"{name}: no answer, by order of the test")


def breaking_off_after(most: int) -> Listing:
    """A listing that fails after so many keys, if it has as many."""

    def listing(keys: Iterator[str]) -> Iterator[str]:
        for number, key in enumerate(keys):
            if number == most:
                raise Unavailable("the listing breaks off, by order of the test")
            yield key

    return listing


def without_the_last(missing: int) -> Listing:
    """A listing that lags behind what was created."""

    def listing(keys: Iterator[str]) -> Iterator[str]:
        every = list(keys)
        return iter(every[: max(0, len(every) - missing)])

    return listing
