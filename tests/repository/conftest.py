from __future__ import annotations

import random
import tarfile
from pathlib import Path

import pytest

from .golden.make import ARCHIVE
from .world import ANNA, BEN, World, raw, with_attachment


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "repository")


@pytest.fixture
def filled(world: World) -> World:
    """Two mailboxes that share an attachment; Anna has two restore points, Ben one."""
    attachment = random.Random(1).randbytes(20_000)
    world.back_up(
        ANNA,
        {
            "hello": raw(b"Subject: hello\r\n\r\n" + b"Dear Anna, " * 40),
            "report": with_attachment(b"Subject: report\r\n\r\nsee attachment", attachment),
        },
    )
    world.back_up(BEN, {"copy": with_attachment(b"Subject: fwd\r\n\r\nfor you", attachment)})
    world.back_up(ANNA, {"late": raw(b"Subject: late\r\n\r\nsorry")}, removed=["hello"])
    return world


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """The repository of format 1 that every later version must read."""
    folder = tmp_path / "golden"
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(folder)  # our own file; the first releases of Python 3.11 know no filter
    return folder
