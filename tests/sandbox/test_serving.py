"""``python -m sandbox`` as a process, and the server's connections."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command

from sandbox.certificate import trust_pem
from sandbox.records import NewItem
from sandbox.registration import register
from sandbox.store import Store
from sandbox.testing import STORE_NAME
from tests.sandbox.conftest import Exchange, client_for, sign_in
from tests.sandbox.ews import ENVELOPE, IMPERSONATION, find

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


class Server:
    """``python -m sandbox serve``, until the block ends."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port_file = folder / "port"
        self.port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sandbox", "serve", "--data", str(folder)]
        command += ["--port-file", str(self.port_file), *arguments]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + 30
        while not self.port_file.exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.port = int(self.port_file.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_it_serves_what_was_loaded_and_stops_at_once_when_told(tmp_path: Path):
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "1.eml").write_bytes(b"Subject: One\r\n\r\nHello\r\n")
    (mail / "notes").write_bytes(b"x")
    loaded = run("load", "--data", tmp_path, "--mail", mail, "--mailboxes", 2)
    assert loaded.returncode == 0, loaded.stderr
    assert "not loaded: notes: no extension" in loaded.stdout
    assert "2 found, 1 loaded into 2 mailboxes, 1 not" in loaded.stdout
    with Server(tmp_path) as server:
        store = Store(tmp_path / STORE_NAME)
        url = f"https://127.0.0.1:{server.port}"
        registration = register(store, "acme.example", url=url, trust_pem=trust_pem(tmp_path))
        context = ssl.create_default_context(cadata=registration.trust_pem)
        with httpx.Client(base_url=url, verify=context, trust_env=False) as client:
            token = sign_in(client, registration)
            headers = {"Authorization": f"Bearer {token}"}
            assert len(client.get("/v1.0/users/delta", headers=headers).json()["value"]) == 2
            # The client's connection is still open: it must not delay the end.
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=10) == 0
            assert time.monotonic() - start < 1.5
        assert "sandbox: stopped" in server.process.stdout.read()


def test_it_loads_an_empty_sandbox_and_serves_it_as_an_exchange_server(tmp_path: Path):
    mail, folder = tmp_path / "mail", tmp_path / "sandbox"
    mail.mkdir()
    (mail / "1.eml").write_bytes(b"Subject: One\r\n\r\nHello\r\n")
    body = ENVELOPE.format(header=IMPERSONATION.format("user1@acme.example"), body=find())
    for _ in range(2):
        with Server(folder, "--mail", str(mail), "--mailboxes", "1", "--on-server") as server:
            made = run("account", "--data", folder)
            name, password = made.stdout.split()
            context = ssl.create_default_context(cadata=trust_pem(folder))
            url = f"https://127.0.0.1:{server.port}/EWS/Exchange.asmx"
            answer = httpx.post(
                url, content=body, auth=(name, password), verify=context, trust_env=False
            )
            assert answer.status_code == 200, answer.text
    assert [counts[1:3] for counts in Store(folder / STORE_NAME).counts()] == [
        ("user1@acme.example", 1)
    ]
    assert run("move", "--data", folder, "user1@acme.example", "cloud").returncode == 0
    store = Store(folder / STORE_NAME)
    assert not store.is_on_server(store.user("user1@acme.example").mailbox)
    nobody = run("move", "--data", folder, "nobody@acme.example", "cloud")
    assert "nobody@acme.example" in nobody.stderr


def test_the_portals_command_does_the_same(tmp_path: Path):
    (tmp_path / "1.eml").write_bytes(b"Subject: One\r\n\r\nHello\r\n")
    call_command("sandbox", "load", "--data", str(tmp_path), "--mail", str(tmp_path))
    assert sum(counts[2] for counts in Store(tmp_path / STORE_NAME).counts()) == 1
    with pytest.raises(SystemExit):
        call_command("sandbox", "load", "--data", str(tmp_path), "--mail", str(tmp_path / "no"))


def test_a_restart_keeps_the_certificate_and_tokens_of_delta(tmp_path: Path):
    before = trust_pem(tmp_path)
    with Server(tmp_path):
        pass
    assert trust_pem(tmp_path) == before
    assert (tmp_path / "server-key.pem").stat().st_mode & 0o077 == 0


def test_a_fault_script_that_is_wrong_stops_the_start_with_a_line(tmp_path: Path):
    script = tmp_path / "faults.json"
    script.write_text('[{"kind": "meteor"}]')
    done = run("serve", "--data", tmp_path, "--faults", script)
    assert done.returncode == 2
    assert "fault 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mail_folder_that_is_not_there_is_one_line(tmp_path: Path):
    done = run("load", "--data", tmp_path, "--mail", tmp_path / "absent")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_listens_on_the_loopback_address_only(exchange: Exchange):
    assert exchange.sandbox.url.startswith("https://127.0.0.1:")


def test_only_its_own_authority_vouches_for_it(exchange: Exchange):
    with (
        httpx.Client(trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(exchange.sandbox.url)


def test_connections_are_kept_and_used_again(exchange: Exchange):
    port = int(exchange.sandbox.url.rpartition(":")[2])
    context = ssl.create_default_context(cadata=exchange.sandbox.trust_pem)
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        for _ in range(3):
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 404")


def test_a_client_that_says_nothing_holds_up_nobody(exchange: Exchange):
    port = int(exchange.sandbox.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        assert exchange.client.get("/v1.0/organization").status_code == 200


def test_requests_at_once_see_and_make_a_consistent_mailbox(exchange: Exchange):
    def make(number: int) -> int:
        with client_for(exchange.sandbox) as client:
            client.headers["Authorization"] = exchange.client.headers["Authorization"]
            body = {"displayName": f"Folder {number % 10}"}
            return client.post(exchange.path("/folders"), json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(make, range(40)))
    assert sorted(statuses) == [201] * 10 + [409] * 30


def test_a_hundred_thousand_items_are_paged_and_changed_quickly(tmp_path: Path):
    store = Store(tmp_path / "exchange.sqlite")
    directory = store.add_directory("Acme", "acme.example")
    mailbox = store.add_user(directory.id, "big@acme.example", "Big").mailbox or ""
    store.add_items(
        mailbox,
        "inbox",
        (
            NewItem(b"x" * 50, "IPM.Note", f"<{number}@x>", "2026-01-01", "2026-01-01")
            for number in range(100_000)
        ),
    )
    inbox = store.folder(mailbox, "inbox").id
    last, since = store.items(inbox, 0, 90_000)[-1].number, store.last_change()
    start = time.monotonic()
    assert len(store.items(inbox, last, 1000)) == 1000
    assert len(store.items(inbox, message_id="<99999@x>")) == 1
    assert store.changes(f"items:{inbox}", since, 100) == []
    assert time.monotonic() - start < 1


def test_a_connection_that_breaks_does_not_end_the_server(exchange: Exchange):
    port = int(exchange.sandbox.url.rpartition(":")[2])
    before = threading.active_count()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(os.urandom(100))
    assert exchange.client.get("/v1.0/organization").status_code == 200
    assert threading.active_count() <= before + 10
