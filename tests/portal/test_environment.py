import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import environment

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = [
    "PORTAL_DATABASE_URL",
    "PORTAL_DATABASE_OPERATOR_URL",
    "PORTAL_DATABASE_OWNER_URL",
]


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


def test_a_name_is_read_with_or_without_its_prefix(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_COLOUR", "blue")
    assert environment.text("COLOUR") == environment.text("PORTAL_COLOUR") == "blue"


def test_a_variable_that_is_set_but_empty_counts_as_unset(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_COLOUR", "")
    assert environment.text("COLOUR", "red") == "red"
    with pytest.raises(ImproperlyConfigured, match="PORTAL_COLOUR is not set"):
        environment.text("COLOUR")


@pytest.mark.parametrize(("word", "value"), [("Yes", True), ("1", True), ("off", False)])
def test_a_flag_understands_the_usual_words(
    env: pytest.MonkeyPatch, word: str, value: bool
) -> None:
    env.setenv("PORTAL_SWITCH", word)
    assert environment.flag("SWITCH", default=not value) is value


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: environment.flag("THING"), "perhaps"),
        (lambda: environment.number("THING"), "many"),
        (lambda: environment.number("THING", minimum=1), "0"),
        (lambda: environment.number("THING", maximum=10), "11"),
        (lambda: environment.url("THING", schemes=["https"]), "ftp://example.org"),
        (lambda: environment.url("THING"), "example.org"),
        (lambda: environment.url("THING"), "http://example.org:port"),
        (lambda: environment.database("THING"), "mysql://user@host/name"),
        (lambda: environment.database("THING"), "postgresql://user@host"),
        (lambda: environment.database("THING"), "postgresql://host/name"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_variable(
    env: pytest.MonkeyPatch, read: object, value: str
) -> None:
    env.setenv("PORTAL_THING", value)
    with pytest.raises(ImproperlyConfigured, match="PORTAL_THING"):
        read()  # type: ignore[operator]


def test_a_secret_is_read_from_the_file_of_its_twin(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    env.setenv("PORTAL_THING_FILE", str(file))
    assert environment.secret("THING") == "hush"


def test_a_secret_given_twice_or_in_an_absent_or_empty_file_is_refused(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env.setenv("PORTAL_THING_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match="PORTAL_THING_FILE can't be read"):
        environment.secret("THING")
    (tmp_path / "absent").write_text("\n")
    with pytest.raises(ImproperlyConfigured, match="is empty"):
        environment.secret("THING")
    env.setenv("PORTAL_THING", "hush")
    with pytest.raises(ImproperlyConfigured, match="both set"):
        environment.secret("THING")


def test_an_address_with_a_password_is_never_shown(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_THING", "mysql://user:hush@host/name")
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.database("THING")
    assert "hush" not in str(refused.value)


def test_a_database_address_becomes_settings(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_THING", "postgresql://app:p%40ss@db.example:6432/portal?sslmode=require")
    entry = environment.database("THING")
    assert entry is not None
    assert (entry["USER"], entry["PASSWORD"]) == ("app", "p@ss")
    assert (entry["HOST"], entry["PORT"], entry["NAME"]) == ("db.example", "6432", "portal")
    assert entry["OPTIONS"] == {"sslmode": "require"}


def test_a_database_address_may_name_a_socket_folder(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_THING", "postgresql://app@/portal?host=/run/pg&passfile=/x")
    entry = environment.database("THING")
    assert entry is not None
    assert (entry["HOST"], entry["OPTIONS"]) == ("/run/pg", {"passfile": "/x"})


def test_without_addresses_all_aliases_use_the_local_cluster(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert environment.uses_local_database()
    found = environment.databases(tmp_path)
    assert {alias: entry["USER"] for alias, entry in found.items()} == {
        "default": "portal_app",
        "operator": "portal_operator",
        "owner": "portal_owner",
    }


def test_half_of_the_addresses_is_refused(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("PORTAL_DATABASE_URL", "postgresql://app@host/portal")
    with pytest.raises(ImproperlyConfigured, match="PORTAL_DATABASE_OPERATOR_URL is not set"):
        environment.databases(tmp_path)
    env.setenv("PORTAL_DATABASE_OPERATOR_URL", "postgresql://operator@host/portal")
    assert set(environment.databases(tmp_path)) == {"default", "operator"}


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env.delenv("PORTAL_SECRET_KEY", raising=False)
    first = environment.secret_key(tmp_path / "data")
    assert len(first) >= 50
    assert environment.secret_key(tmp_path / "data") == first
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    env.setenv("PORTAL_SECRET_KEY", "given")
    assert environment.secret_key(tmp_path / "data") == "given"


def test_a_data_folder_that_cannot_be_made_is_named(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env.delenv("PORTAL_SECRET_KEY", raising=False)
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match=r"file/data can't be used .* PORTAL_DATA_DIR"):
        environment.secret_key(tmp_path / "file" / "data")


def test_a_command_ends_with_one_line_when_the_settings_make_no_sense(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "PORTAL_DEBUG": "perhaps"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("The settings make no sense: PORTAL_DEBUG is 'perhaps'")


def test_a_list_is_split_at_commas(env: pytest.MonkeyPatch) -> None:
    env.setenv("PORTAL_THING", "a, b,,c ")
    assert environment.items("THING") == ["a", "b", "c"]
