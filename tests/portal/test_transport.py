"""Messages as files: nothing is lost, whoever is killed, and nothing is seen half written."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from celery import current_app
from kombu import Connection, Consumer, Producer

import portal.celery
from portal.messages import Folder
from tests.portal.waiting import until

ROOT = Path(__file__).resolve().parents[2]
QUEUE = "proxy_0123456789ab"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    options = {"folder": str(tmp_path / "broker"), "polling_interval": 0.01}
    with Connection("filesystem://localhost//", transport_options=options) as connection:
        yield connection


@pytest.fixture
def consumer(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(manner: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.portal.consumer", tmp_path / "broker", QUEUE, manner],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def publish(connection: Connection, *bodies: object) -> None:
    producer = Producer(connection)
    for body in bodies:
        producer.publish(
            body, routing_key=QUEUE, serializer="json", declare=[portal.celery.queue(QUEUE)]
        )


def drain(connection: Connection, answer: str = "ack") -> list[tuple[object, bool]]:
    """Bodies that are waiting, each with whether it had been delivered before."""
    got: list[tuple[object, bool]] = []

    def take(body: object, message: object) -> None:
        got.append((body, bool(message.delivery_info.get("redelivered"))))  # type: ignore[attr-defined]
        getattr(message, answer)()

    with Consumer(connection, [portal.celery.queue(QUEUE)], callbacks=[take], accept=["json"]):
        try:
            while True:
                connection.drain_events(timeout=0.1)
        except TimeoutError:
            return got


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_messages_arrive_in_the_order_in_which_they_were_sent(connection: Connection) -> None:
    publish(connection, *range(20))
    assert drain(connection) == [(number, False) for number in range(20)]
    assert drain(connection) == []


def test_a_message_held_by_a_killed_consumer_goes_to_the_next_one(
    connection: Connection, consumer: Callable[[str], subprocess.Popen[str]]
) -> None:
    publish(connection, "first", "second")
    holder = consumer("hold")
    assert line(holder) == "first"
    holder.kill()
    holder.wait()
    assert drain(connection) == [("first", True), ("second", False)]


def test_a_message_held_by_a_living_consumer_is_left_to_it(
    connection: Connection, consumer: Callable[[str], subprocess.Popen[str]]
) -> None:
    publish(connection, "first", "second")
    assert line(consumer("hold")) == "first"
    assert drain(connection) == [("second", False)]


def test_no_message_is_lost_or_doubled_between_many_publishers_and_consumers(
    tmp_path: Path, connection: Connection, consumer: Callable[[str], subprocess.Popen[str]]
) -> None:
    consumers = [consumer("drain") for _ in range(2)]

    def send(batch: int) -> None:
        options = {"folder": str(tmp_path / "broker")}
        with Connection("filesystem://localhost//", transport_options=options) as own:
            publish(own, *range(batch * 250, batch * 250 + 250))

    with ThreadPoolExecutor(4) as senders:
        list(senders.map(send, range(4)))
    got = [int(number) for process in consumers for number in process.communicate()[0].split()]
    got += [int(str(body)) for body, _ in drain(connection)]
    assert sorted(got) == list(range(1000))


def test_consumers_killed_one_after_the_other_lose_nothing(
    connection: Connection, consumer: Callable[[str], subprocess.Popen[str]]
) -> None:
    publish(connection, *range(300))
    printed: set[str] = set()
    for _ in range(3):
        process = consumer("work")
        printed.add(line(process))
        process.kill()
        printed.update(process.communicate()[0].split())
    assert len(printed) < 300
    printed.update(str(body) for body, _ in drain(connection))
    # A killed one may have printed what it could not acknowledge any more; the set forgives that.
    assert printed >= {str(number) for number in range(300)}


def test_a_requeued_message_comes_back_marked(connection: Connection) -> None:
    publish(connection, "again")
    with Connection(connection.as_uri(), transport_options=connection.transport_options) as other:
        message = other.channel().basic_get(QUEUE)
        assert message is not None
        message.requeue()
    assert drain(connection) == [("again", True)]


def test_a_closed_channel_gives_back_what_it_held(connection: Connection) -> None:
    publish(connection, "kept")
    channel = connection.channel()
    assert channel.basic_get(QUEUE) is not None
    assert channel._size(QUEUE) == 0
    channel.close()
    assert drain(connection) == [("kept", True)]


def test_a_rejected_message_is_gone(connection: Connection) -> None:
    publish(connection, "unwanted")
    assert drain(connection, "reject") == [("unwanted", False)]
    assert drain(connection) == []


def test_a_message_that_cannot_be_read_is_set_aside_and_the_next_delivered(
    tmp_path: Path, connection: Connection
) -> None:
    publish(connection, "good")
    folder = Folder(tmp_path / "broker")
    (folder.queues / f"q-{QUEUE}" / "00000000000000000000-0").write_bytes(b'{"body": ')
    assert drain(connection) == [("good", False)]
    assert [file.name for file in folder.damaged.iterdir()] == ["00000000000000000000-0"]


def test_clearing_the_control_folder_keeps_the_messages(
    tmp_path: Path, connection: Connection
) -> None:
    publish(connection, "kept")
    folder = Folder(tmp_path / "broker")
    folder.put("celery@host.celery.pidbox", b"{}")
    folder.clear_control()
    assert folder.size("celery@host.celery.pidbox") == 0
    assert drain(connection) == [("kept", False)]


def test_bindings_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    options = {"folder": str(tmp_path / "broker")}

    def bind(number: int) -> None:
        with Connection("filesystem://localhost//", transport_options=options) as own:
            own.channel()._queue_bind("pidbox", "", "", f"worker{number}")

    with ThreadPoolExecutor(8) as binders:
        list(binders.map(bind, range(40)))
    with Connection("filesystem://localhost//", transport_options=options) as own:
        table = own.channel().get_table("pidbox")
    assert {row.queue for row in table} == {f"worker{number}" for number in range(40)}


@pytest.mark.parametrize("name", ["../escape", "..", ".hidden", "a/b", "*"])
def test_no_queue_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path / "broker")
    folder.put(name, b"{}")
    assert folder.size(name) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["broker"]
    assert len(list(folder.queues.iterdir())) == 1


def test_only_known_queues_and_those_of_proxies_exist() -> None:
    queues = portal.celery.app.amqp.queues
    assert {"control", "interactive"} <= set(queues)
    assert queues[QUEUE].routing_key == QUEUE
    for unknown in ("bulk", "proxy_", "proxy_XYZ", "proxy_0123456789abc", "celery"):
        with pytest.raises(KeyError):
            queues[unknown]


def test_every_thread_rings_the_same_application() -> None:
    with ThreadPoolExecutor(1) as threads:
        name, url = threads.submit(lambda: (current_app.main, current_app.conf.broker_url)).result()
    assert name == "portal"
    assert url == portal.celery.app.conf.broker_url


@pytest.mark.worker
def test_a_task_whose_worker_is_killed_is_run_by_the_next_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELL_FOLDER", str(tmp_path))
    from tests.portal import bell

    rung = tmp_path / "rung-7"
    (tmp_path / "hang").touch()
    bell.ring.apply_async([7], queue=QUEUE)
    command = [sys.executable, "-m", "celery", "-q", "-A", "tests.portal.bell", "worker"]
    command += ["-Q", QUEUE, "-c", "1", "-l", "error", "--without-gossip", "--without-mingle"]
    worker = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        until(lambda: rung.exists() and rung.read_text(), "the first worker to begin")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        (tmp_path / "hang").unlink()
        worker = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        until((tmp_path / "done-7").exists, "the second worker to finish")
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert len(rung.read_text().split()) == 2
