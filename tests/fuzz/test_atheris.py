"""A short run of the fuzzer: it starts, reaches every target and ends by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .targets import TARGETS

pytest.importorskip("atheris")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_stands_two_thousand_inputs(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.streams", name, "--runs=2000", "--seconds=4"]

    run = subprocess.run(
        [*command, f"--keep={tmp_path}"], capture_output=True, text=True, timeout=120, check=False
    )

    assert run.returncode == 0, run.stderr[-4000:]
    assert list(tmp_path.iterdir()) == []
