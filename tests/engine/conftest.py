from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.testing import Sandbox
from tests.engine.world import World, make_world


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def world(transactional_db: None, sandbox: Sandbox, tmp_path: Path) -> World:
    return make_world(sandbox, tmp_path / "repository")
