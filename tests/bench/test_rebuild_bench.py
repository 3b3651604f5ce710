from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_rebuild_in_several_processes_makes_every_version_again() -> None:
    """The benchmark refuses to measure a rebuild after which a version is missing."""
    command = [sys.executable, "-m", "tests.bench.rebuild", "--json", "--processes", "2"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")}

    ran = subprocess.run(
        [*command, "--mailboxes", "3", "--items", "40"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert ran.returncode == 0, ran.stderr
    assert all(rate > 0 for rate in json.loads(ran.stdout).values())
