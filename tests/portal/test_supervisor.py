"""One process tree: what dies is started again, what is told to stop is gone, all of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal import processes
from portal.child import Child
from portal.database import LocalDatabase
from portal.supervisor import Supervisor, SupervisorError
from tests.portal.waiting import runs, until

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "echo pid $$; exec sleep 600"
# Its shell stays, and has a child of its own.
FAMILY = "sleep 600 & echo pid $! $$; wait"
STUBBORN = "trap '' TERM; echo pid $$; while true; do sleep 0.1; done"


class Tree:
    """A supervisor process and every line that it printed so far."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def line(self, pattern: str) -> re.Match[str]:
        """Read on to the first line that matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r}:\n" + "\n".join(self.lines))

    def stop(self) -> list[str]:
        """SIGTERM; the lines that follow."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=60)
        return str(output).splitlines()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    trees: list[Tree] = []

    def start(*children: str) -> Tree:
        command = [sys.executable, "-m", "tests.portal.tree", str(tmp_path), *children]
        trees.append(Tree(command, dict(os.environ)))
        return trees[-1]

    yield start
    for tree in trees:
        tree.process.kill()
        tree.process.wait()


def test_lines_carry_the_name_of_their_process(tree: Callable[..., Tree]) -> None:
    portal = tree("talker=echo hello; exec sleep 600")
    portal.line(r"^talker      \| hello$")


def test_a_child_that_dies_is_started_again_and_the_log_says_why(
    tree: Callable[..., Tree],
) -> None:
    portal = tree(f"one={SLEEP}")
    first = int(portal.line(r"\| pid (\d+)")[1])
    os.kill(first, signal.SIGKILL)
    portal.line(r"portal .*one was killed \(SIGKILL\); starting it again in 0.5 s")
    second = int(portal.line(r"\| pid (\d+)")[1])
    assert second != first
    assert runs(second)


def test_what_a_dead_child_left_behind_goes_before_it_is_started_again(
    tree: Callable[..., Tree],
) -> None:
    portal = tree(f"one={FAMILY}")
    match = portal.line(r"\| pid (\d+) (\d+)")
    grandchild, child = int(match[1]), int(match[2])
    os.kill(child, signal.SIGKILL)
    portal.line("starting it again")
    until(lambda: not runs(grandchild), "the grandchild to be killed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_every_process(tree: Callable[..., Tree], number: signal.Signals) -> None:
    portal = tree(f"one={SLEEP}", f"two={FAMILY}")
    pids = [int(portal.line(r"\| pid (\d+)")[1]) for _ in range(2)]
    if not any("ready" in line for line in portal.lines):
        portal.line("ready")
    portal.process.send_signal(number)
    assert portal.process.wait(timeout=30) == 0
    assert not any(runs(pid) for pid in pids)


def test_children_are_stopped_stage_by_stage(tree: Callable[..., Tree]) -> None:
    leaving = "trap 'echo bye; exit 0' TERM; echo pid $$; while true; do sleep 0.05; done"
    portal = tree(f"worker={leaving}", f"web={leaving}", f"sandbox={leaving}")
    for _ in range(3):
        portal.line(r"\| pid")
    said = [line.split()[0] for line in portal.stop() if line.endswith("bye")]
    assert said == ["worker", "web", "sandbox"]


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(
    tree: Callable[..., Tree],
) -> None:
    portal = tree(f"mule={STUBBORN}")
    pid = int(portal.line(r"\| pid (\d+)")[1])
    began = time.monotonic()
    lines = portal.stop()
    assert time.monotonic() - began >= 1.0
    assert any("mule did not stop in time and was killed" in line for line in lines)
    assert not runs(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tethered on Linux only")
def test_children_go_with_a_killed_supervisor_and_the_next_one_starts(
    tree: Callable[..., Tree],
) -> None:
    portal = tree(f"one={SLEEP}")
    pid = int(portal.line(r"\| pid (\d+)")[1])
    portal.process.kill()
    until(lambda: not runs(pid), "the child to follow its supervisor")
    tree(f"one={SLEEP}").line("ready")


def test_a_second_supervisor_of_one_data_folder_is_refused(
    tree: Callable[..., Tree], tmp_path: Path
) -> None:
    first = tree(f"one={SLEEP}")
    first.line("ready")
    second = tree(f"one={SLEEP}")
    second.line(rf"the portal of {tmp_path} is running already \(process {first.process.pid}\)")
    assert second.process.wait() == 1
    assert first.process.poll() is None


def test_a_child_that_cannot_start_fails_the_start_with_its_last_lines(
    tree: Callable[..., Tree],
) -> None:
    portal = tree(f"good={SLEEP}", "bad=echo no such luck; exit 3")
    pid = int(portal.line(r"\| pid (\d+)")[1])
    portal.line(r"^bad ended with status 3\. Its last lines:")
    portal.line(r"^    no such luck")
    assert portal.process.wait() == 1
    assert not runs(pid)


def test_a_child_is_waited_for_until_it_is_ready_or_has_died_three_times(tmp_path: Path) -> None:
    lines: list[str] = []
    with Supervisor(tmp_path, database=False, output=lines.append) as supervisor:
        flag = tmp_path / "flag"
        command = ["sh", "-c", f"sleep 0.3; touch {flag}; exec sleep 600"]
        supervisor.start([Child("slow", command, ready=flag.exists)])
        assert flag.exists()
        with pytest.raises(SupervisorError, match=r"(?s)bad ended with status 3.*no such luck"):
            supervisor.start(
                [Child("bad", ["sh", "-c", "echo no such luck; exit 3"], ready=lambda: False)]
            )


def test_a_command_that_is_run_once_fails_with_its_last_lines(tmp_path: Path) -> None:
    lines: list[str] = []
    with Supervisor(tmp_path, database=False, output=lines.append) as supervisor:
        supervisor.run(Child("fine", ["sh", "-c", "echo done"]))
        with pytest.raises(SupervisorError, match=r"(?s)wrong ended with status 4.*oh dear"):
            supervisor.run(Child("wrong", ["sh", "-c", "echo oh dear; exit 4"]))
    assert "fine        | done" in lines


def test_a_port_in_use_is_noticed() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            processes.free_port("127.0.0.1", taken.getsockname()[1])
    assert processes.free_port("127.0.0.1", 0) > 0


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="stowage-"))
    yield folder
    LocalDatabase(folder).remove()
    shutil.rmtree(folder)


def test_a_killed_database_is_started_again(data_dir: Path) -> None:
    lines: list[str] = []
    with Supervisor(data_dir, output=lines.append) as supervisor:
        supervisor.start_database()
        database = LocalDatabase(data_dir)
        pid = database.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: sum("database ready" in line for line in lines) == 2, "a second start")
        assert database.status().pid not in (None, pid)
    assert any("the database died" in line for line in lines)
    assert not LocalDatabase(data_dir).status().running


def test_a_database_that_was_started_by_hand_keeps_running(data_dir: Path) -> None:
    LocalDatabase(data_dir).start(tethered=False)
    pid = LocalDatabase(data_dir).status().pid
    with Supervisor(data_dir, output=lambda line: None) as supervisor:
        supervisor.start_database()
    assert LocalDatabase(data_dir).status().pid == pid


@pytest.mark.worker
def test_the_portal_comes_up_answers_and_is_gone_after_sigterm(data_dir: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if "PORTAL_DATABASE" not in name
    }
    environment["PORTAL_DATA_DIR"] = str(data_dir)
    portal = Tree([sys.executable, "manage.py", "up", "--port", "0"], environment)
    try:
        address = portal.line(r"ready on (http://\S+)")[1]
        pids = [
            int(match[1])
            for line in portal.lines
            if (match := re.search(r"\(process (\d+)\)", line))
        ]
        assert len(pids) == 5
        assert all(runs(pid) for pid in pids)
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        began = time.monotonic()
        portal.stop()
        assert portal.process.returncode == 0
        assert time.monotonic() - began < 15
        assert not any(runs(pid) for pid in pids)
    finally:
        portal.process.kill()
        portal.process.wait()
