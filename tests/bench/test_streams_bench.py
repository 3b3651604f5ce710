from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import streams

MAIL = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + b"A line of text.\r\n" * 300
EVENT = """BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Plan\r
DTSTART:20261123T100000Z\r
DTEND:20261123T110000Z\r
END:VEVENT\r
END:VCALENDAR\r
"""
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ben\r\nN:;Ben;;;\r\nEND:VCARD\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "one.eml").write_bytes(MAIL)
    (tmp_path / "event.ics").write_text(EVENT)
    (tmp_path / "card.vcf").write_text(CARD)
    (tmp_path / "notes.txt").write_text("not an item")
    return tmp_path


def test_every_stage_of_every_set_is_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams.main([str(folder), "--json", "--office", "--repeat", "2", "--memory", "3"])

    found = json.loads(capsys.readouterr().out)

    assert [found[name]["items"] for name in ("real", "mail", "office")] == [3, 1, 1]
    assert found["mail"]["mean_bytes"] == len(MAIL)
    for name in ("decode", "index", "digest", "cut", "compare", "view", "eml"):
        assert found["real"]["stages"][name]["items_per_second"] > 0
        assert found["real"]["stages"][name]["refused"] == 0
    assert found["memory"]["megabytes"] == 3


def test_the_table_names_the_rates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    streams.main([str(folder), "--memory", "0"])

    printed = capsys.readouterr().out

    assert "real: 3 items" in printed
    assert "all that a backup does" in printed
    assert "items/s" in printed


def test_a_folder_without_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        streams.main([str(tmp_path)])
