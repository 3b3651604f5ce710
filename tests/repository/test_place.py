"""What names the place of a repository: paths and URLs, and the ones that are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.repository import FolderBackend
from backups.repository.errors import UnusablePlace
from backups.repository.place import open_backend

from .bucket import CREDENTIALS


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("ftp://host/x", "only folders"),
        ("file://host/x", "only folders"),
        ("s3:///prefix", "a bucket is wanted"),
        ("s3://id:secret@bucket/x", "do not belong into a URL"),
        ("s3://bucket/x?secret_access_key=y", "unknown: secret_access_key"),
        ("s3://bucket/x#y", "unknown: y"),
        ("s3://bucket/../x", "small letters"),
        ("s3://bucket/x?endpoint=host:9000", "endpoint must be like"),
        ("s3://bucket/x?endpoint=http://id:secret@host", "endpoint must be like"),
        ("s3://bucket/x?endpoint=http://[host", "endpoint must be like"),
        ("http://[bucket", "Invalid"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused_with_the_reason(place: str, why: str) -> None:
    with pytest.raises(UnusablePlace, match=why) as refused:
        open_backend(place, CREDENTIALS)
    assert "secret@" not in str(refused.value)


def test_a_bucket_without_credentials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with pytest.raises(UnusablePlace, match="no access_key_id"):
        open_backend("s3://bucket/x")
    with pytest.raises(UnusablePlace, match="no secret_access_key"):
        open_backend("s3://bucket/x", {"access_key_id": "x"})


def test_paths_and_file_urls_are_folders(tmp_path: Path) -> None:
    for place in (tmp_path / "a b", str(tmp_path / "a b"), f"file://{tmp_path}/a%20b"):
        backend = open_backend(place)
        assert isinstance(backend, FolderBackend)
        assert backend.path == tmp_path / "a b"
