from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from . import mailset, repository

MAIL = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + b"A line of text.\r\n" * 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number in range(12):
        (corpus / f"{number:02d}.eml").write_bytes(b"Message-Id: <%d@x>\r\n" % number + MAIL)
    return corpus


def test_ours_is_measured_at_every_stage_where_the_others_are_not_installed(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)

    repository.main(["--corpus", str(folder), "--sets", "small", "--rounds", "1", "--json"])

    found = json.loads(capfd.readouterr().out)
    assert found["small"]["items"] == 12
    ours = found["small"]["programs"]["stowage"]
    assert 0 < ours["stored"] < found["small"]["bytes"]
    for stage in repository.LINES:
        assert ours["stages"][stage]["seconds"] > 0
        assert ours["stages"][stage]["peak_megabytes"] > 1
    table = "\n".join(repository._lines(found))
    assert "restic is not installed" in table
    assert "small: 12 items" in table


def test_the_office_set_is_the_same_each_time_and_differs_between_mailboxes(folder: Path) -> None:
    sent = list(mailset.sent(folder))

    assert sent == list(mailset.sent(folder))
    assert {mailbox for mailbox, _ in sent} == set(range(mailset.MAILBOXES))
    assert len({payload for _, payload in sent}) == len(sent)


def test_a_set_that_does_not_exist_is_refused(folder: Path) -> None:
    with pytest.raises(SystemExit):
        repository.main(["--corpus", str(folder), "--sets", "large"])
