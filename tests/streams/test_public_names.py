"""The names that ``backups.streams`` offers, each imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

from backups import streams

READS_ONE = """
import sys
from backups.streams import open_stream
assert open_stream.__module__ == "backups.streams.native.stream"
print([name for name in sys.modules if name.split(".")[0] in ("icalendar", "vobject")])
"""


def test_every_public_name_is_found() -> None:
    for name in streams.__all__:
        assert getattr(streams, name) is not None, name


def test_an_unknown_name_is_refused() -> None:
    assert not hasattr(streams, "open_steam")


def test_reading_a_stream_does_not_load_the_calendars() -> None:
    command = [sys.executable, "-c", READS_ONE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
