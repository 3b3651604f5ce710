from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def published() -> Path:
    """Folder of the streams that Microsoft prints in its documentation, cut short."""
    shared = Path(os.environ.get("STOWAGE_SHARED") or ROOT.parent / "shared")
    folder = shared / "contracts" / "fts"
    if not folder.is_dir():
        pytest.skip(f"the published samples are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def mails() -> list[Path]:
    """Every file of the real mail, in order of name."""
    return corpus_files("mail")


def corpus_files(kind: str) -> list[Path]:
    """The files of one folder of the corpus, in order of name; skips the test without it."""
    corpus = os.environ.get("STOWAGE_CORPUS", "")
    folder = Path(corpus) / kind
    if not corpus or not folder.is_dir():
        pytest.skip("STOWAGE_CORPUS names no unpacked corpus")
    return sorted(path for path in folder.rglob("*") if path.is_file())
