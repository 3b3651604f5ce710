"""Memory that one large item takes above its payload, measured in a process of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from backups.streams import item_view, open_stream, write_item
from backups.streams.mail.eml import write_eml

from ..streams.samples import BUILD, letter


def measure(megabytes: int) -> dict[str, object]:
    """MB above the payload at the peak, after each stage; the stages follow each other.

    Empty where the system does not tell a process' peak (there is no /proc).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "item"
        content = random.Random(megabytes).randbytes(megabytes * 1_000_000)
        path.write_bytes(write_item(letter(attachment=content), build=BUILD))
        command = [sys.executable, "-m", "tests.bench.memory", str(path)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"megabytes": megabytes, "above_payload": json.loads(answer.stdout)}


def _stages(payload: bytes) -> dict[str, float]:
    before = _peak()
    above: dict[str, float] = {}

    def done(stage: str) -> None:
        peak = _peak()
        if peak is not None and before is not None:
            above[stage] = round((peak - before) / 1e6, 1)

    stream = open_stream(payload)
    stream.summary()
    done("decode")
    stream.index()
    done("index")
    item = stream.cut()
    for part in item.parts:
        len(part.data)
    done("cut")
    if not item.matches(payload):
        raise AssertionError("the item does not join to the same bytes")
    done("compare")
    item_view(payload)
    done("view")
    for piece in write_eml(payload):
        len(piece)
    done("eml, in pieces")
    return above


def _peak() -> int | None:
    """The most memory that this process ever had, in bytes (getrusage would count its parent)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    words = next(line.split() for line in status.read_text().splitlines() if "VmHWM" in line)
    return int(words[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(_stages(Path(sys.argv[1]).read_bytes())))
