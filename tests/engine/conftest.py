from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.sources.graph import source as graph_source
from backups.sources.graph.settings import Patience
from sandbox.testing import Sandbox
from tests.engine.world import World, make_world


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def world(
    transactional_db: None, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    # Nothing waits in a test: what would be slept is only counted.
    monkeypatch.setattr(
        graph_source, "Patience", lambda: Patience(attempts=3, sleep=lambda seconds: None)
    )
    return make_world(sandbox, tmp_path / "repository")
