from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.sources.graph import source as graph_source
from backups.sources.graph.settings import Patience
from sandbox.testing import Sandbox
from tests.engine.collected import make_expired
from tests.engine.world import World, make_world


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox") as running:
        yield running


class Clock:
    """Seconds that only pass by sleeping."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def world(
    transactional_db: None, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    # Nothing waits in a test: what would be slept moves a clock of the source's own.
    clock = Clock()
    monkeypatch.setattr(
        graph_source, "Patience", lambda: Patience(attempts=3, sleep=clock.sleep, now=clock)
    )
    return make_world(sandbox, tmp_path / "repository")


@pytest.fixture
def expired(world: World) -> World:
    """A share with one pack that nothing needs any more."""
    return make_expired(world)
