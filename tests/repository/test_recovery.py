"""A tenant's keys under a passphrase: all that somebody needs who has lost everything else."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from backups.repository import (
    Cost,
    Damaged,
    PassphraseTooShort,
    TenantKeys,
    UnsupportedFormat,
    WrongKey,
    open_recovery,
    write_recovery,
)
from backups.standalone.main import main

from .world import ACME, ANNA, GLOBEX, World, read_all

PASSPHRASE = "korrekt Pferd Batterie Kl\N{LATIN SMALL LETTER A WITH DIAERESIS}mmer"
CHEAP = Cost(memory=64, passes=1, lanes=2)
COPY = f"tenants/{ACME}/keys/recovery.1"


@pytest.fixture
def kept(filled: World) -> World:
    assert write_recovery(filled.backend, ACME, filled.keys, PASSPHRASE, CHEAP) == COPY
    return filled


def test_the_passphrase_alone_opens_a_tenants_share(kept: World) -> None:
    vault = kept.repository.recovered_vault(ACME, PASSPHRASE)
    assert read_all(vault, ANNA) == read_all(kept.vault, ANNA)
    assert open_recovery(kept.backend, ACME, PASSPHRASE) == kept.keys


def test_it_does_not_matter_how_a_keyboard_composes_its_letters(kept: World) -> None:
    decomposed = PASSPHRASE.replace("\N{LATIN SMALL LETTER A WITH DIAERESIS}", "a\u0308")
    assert decomposed != PASSPHRASE
    assert open_recovery(kept.backend, ACME, decomposed) == kept.keys


@pytest.mark.parametrize("given", ["", "Korrekt Pferd Batterie", PASSPHRASE + " "])
def test_another_passphrase_is_said_to_be_wrong_and_nothing_more(kept: World, given: str) -> None:
    with pytest.raises(WrongKey, match=f"{COPY}: this passphrase does not open it"):
        open_recovery(kept.backend, ACME, given)


def test_a_passphrase_that_is_short_is_refused(filled: World) -> None:
    with pytest.raises(PassphraseTooShort, match="12 characters"):
        write_recovery(filled.backend, ACME, filled.keys, "elevenchars", CHEAP)
    with pytest.raises(PassphraseTooShort):
        write_recovery(filled.backend, ACME, filled.keys, "a\u0308" * 11, CHEAP)
    with pytest.raises(WrongKey, match="no recovery copy"):
        open_recovery(filled.backend, ACME, "elevenchars")


def test_a_new_passphrase_puts_the_old_one_out_of_use(kept: World) -> None:
    name = write_recovery(kept.backend, ACME, kept.keys, "another passphrase", CHEAP)
    assert name == f"tenants/{ACME}/keys/recovery.2"
    assert not kept.backend.exists(COPY)
    assert open_recovery(kept.backend, ACME, "another passphrase") == kept.keys
    with pytest.raises(WrongKey):
        open_recovery(kept.backend, ACME, PASSPHRASE)


def test_what_it_costs_is_read_from_the_copy_and_bound_to_it(kept: World) -> None:
    whole = kept.backend.get(COPY)
    assert struct.unpack("<III", whole[8:20]) == (64, 1, 2)
    path = kept.path / COPY
    path.write_bytes(whole[:8] + struct.pack("<III", 64, 2, 2) + whole[20:])
    with pytest.raises(WrongKey):
        open_recovery(kept.backend, ACME, PASSPHRASE)
    path.write_bytes(whole[:36] + bytes(8) + whole[44:])
    with pytest.raises(Damaged):
        open_recovery(kept.backend, ACME, PASSPHRASE)


@pytest.mark.parametrize(
    "cost",
    [(2**32 - 1, 1, 1), (64, 2**32 - 1, 1), (64, 0, 1), (64, 1, 0), (4096, 1, 65), (7, 1, 1)],
)
def test_a_copy_that_asks_for_the_impossible_is_damaged(
    kept: World, cost: tuple[int, int, int]
) -> None:
    whole = kept.backend.get(COPY)
    (kept.path / COPY).write_bytes(whole[:8] + struct.pack("<III", *cost) + whole[20:])
    with pytest.raises(Damaged, match="makes no sense"):
        open_recovery(kept.backend, ACME, PASSPHRASE)


@pytest.mark.parametrize("length", [0, 43, 44, 60])
def test_a_copy_that_was_cut_off_is_damaged(kept: World, length: int) -> None:
    (kept.path / COPY).write_bytes(kept.backend.get(COPY)[:length])
    with pytest.raises(Damaged, match="too short"):
        open_recovery(kept.backend, ACME, PASSPHRASE)


def test_a_copy_of_a_newer_version_is_not_guessed_at(kept: World) -> None:
    whole = kept.backend.get(COPY)
    (kept.path / COPY).write_bytes(whole[:4] + b"\x02" + whole[5:])
    with pytest.raises(UnsupportedFormat):
        open_recovery(kept.backend, ACME, PASSPHRASE)


def test_a_copy_can_not_be_moved_to_another_tenant(kept: World) -> None:
    kept.backend.put_immutable(f"tenants/{GLOBEX}/keys/recovery.1", kept.backend.get(COPY))
    with pytest.raises(Damaged):
        open_recovery(kept.backend, GLOBEX, PASSPHRASE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_command_exports_with_the_passphrase(kept: World, file: Path, tmp_path: Path) -> None:
    place = [str(kept.path), "--recovery-passphrase-file", str(file)]
    assert main(["export", *place, "--to", str(tmp_path / "out")]) == 0
    files = sorted((tmp_path / "out" / str(ANNA)).iterdir())
    assert {f.read_bytes() for f in files} == set(read_all(kept.vault, ANNA).values())
    assert main(["check", *place]) == 0


def test_the_command_says_what_is_wrong_with_a_passphrase(
    kept: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["mailboxes", str(kept.path), "--recovery-passphrase-file", str(file)]
    file.write_text("something else\n", encoding="utf-8")
    assert main(place) == 3
    assert "this passphrase does not open it" in capsys.readouterr().err
    file.write_bytes(b"\xff\xfe")
    assert main(place) == 2
    assert "not UTF-8" in capsys.readouterr().err
    file.chmod(0o644)
    assert main(place) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_the_usual_cost_is_one_that_readers_accept(filled: World) -> None:
    write_recovery(filled.backend, ACME, filled.keys, PASSPHRASE)
    assert struct.unpack("<III", filled.backend.get(COPY)[8:20]) == (256 * 1024, 3, 4)
    assert open_recovery(filled.backend, ACME, PASSPHRASE) == filled.keys
    with pytest.raises(ValueError, match="out of bounds"):
        write_recovery(filled.backend, ACME, filled.keys, PASSPHRASE, Cost(1, 1, 1))


def test_other_tenants_of_the_same_place_are_passed_over(
    kept: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WrongKey, match="no recovery copy"):
        kept.repository.recovered_vault(GLOBEX, PASSPHRASE)
    keys = TenantKeys.generate()
    write_recovery(kept.backend, GLOBEX, keys, "the passphrase of Globex", CHEAP)
    place = [str(kept.path), "--recovery-passphrase-file", str(file)]
    assert main(["mailboxes", *place]) == 0
    assert str(ANNA) in capsys.readouterr().out
    assert main(["check", *place]) == 0
    assert main(["mailboxes", *place, "--tenant", str(GLOBEX)]) == 3
    assert "does not open it" in capsys.readouterr().err
