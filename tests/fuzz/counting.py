"""What an action costs, in units that do not depend on the machine: lines run, bytes allocated."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Protocol


class _Trace(Protocol):
    def __call__(self, frame: FrameType, event: str, argument: object, /) -> _Trace | None: ...


def lines_run(action: Callable[[], object]) -> int:
    """Lines of Python that ``action`` runs, in our code and in every library under it."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object, /) -> _Trace:
        nonlocal count
        if event == "line":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def bytes_allocated(action: Callable[[], object]) -> int:
    """Bytes that were allocated at the peak of ``action``."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
