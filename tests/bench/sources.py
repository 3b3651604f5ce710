"""Requests and speed of the sources against a sandbox in a process of its own.

    python -m tests.bench.sources --mail FOLDER [--large MB]

Prints one JSON object for each source: requests of a whole listing and export and how many there
may be, requests of a round without changes, items and MB of streams in a second (the sandbox
included, on the same machine), and the peak memory of the process that exports.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from email.message import EmailMessage
from pathlib import Path

from backups.sources import GraphSettings, GraphSource, ItemChange, MailboxSource
from backups.sources.ews import Auth, EwsSettings, EwsSource
from sandbox.certificate import trust_pem
from sandbox.items import from_mail
from sandbox.load import load_folder
from sandbox.registration import register, register_server_account
from sandbox.store import Store

DOMAIN = "bench.example"
CLOUD, SERVER = f"cloud@{DOMAIN}", f"server@{DOMAIN}"
PACK_ITEMS, PACK_BYTES, PAGES = 20, 20 * 1024 * 1024, {"graph": 500, "ews": 512}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mail", type=Path, required=True)
    parser.add_argument("--large", type=int, default=0, help="MB of one more item")
    parser.add_argument("--only", choices=("graph", "ews"), help="measure this one, in process")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.only, options.data, options.port)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        _fill(data, options.mail, options.large)
        port_file = data / "port"
        serve = [sys.executable, "-m", "sandbox", "serve", "--data", str(data), "--port", "0"]
        with subprocess.Popen([*serve, "--port-file", str(port_file)]) as sandbox:
            try:
                while not port_file.exists():
                    time.sleep(0.05)
                # A process each: the peak of memory is that of one source.
                for name in ("graph", "ews"):
                    port = re.findall(r"\d+", port_file.read_text())[-1]
                    again = ["--only", name, "--data", folder, "--port", port]
                    command = [sys.executable, "-m", "tests.bench.sources", *again]
                    subprocess.run([*command, "--mail", str(options.mail)], check=True)
            finally:
                sandbox.terminate()
    return 0


def measure(name: str, data: Path, port: int) -> dict[str, object]:
    """Everything of one mailbox, then a round in which nothing changed."""
    source, mailbox = (_graph if name == "graph" else _ews)(data, port)
    started = time.perf_counter()
    (*pages, last) = source.hierarchy(mailbox, None)
    folders = [folder for page in (*pages, last) for folder in page.folders]
    cursors, wanted = {}, list[ItemChange]()
    for folder in folders:
        for page in source.changes(mailbox, folder.id, None):
            wanted += page.changes
            cursors[folder.id] = page.cursor
    size = sum(_length(item.payload) for item in source.export(mailbox, wanted))
    seconds = time.perf_counter() - started
    requests = source.requests
    list(source.hierarchy(mailbox, last.cursor))
    for folder in folders:
        for page in source.changes(mailbox, folder.id, cursors[folder.id]):
            wanted += page.changes
    weight = sum(item.size + item.size // 2 for item in wanted)
    allowed = len(wanted) / PACK_ITEMS + weight / PACK_BYTES + len(wanted) / PAGES[name]
    source.close()
    return {
        "source": name,
        "items": len(wanted),
        "megabytes": round(size / 1e6, 1),
        "requests": requests,
        "requests_allowed": int(allowed) + 3 * len(folders) + 10,
        "requests_without_changes": source.requests - requests,
        "folders": len(folders),
        "items_per_second": round(len(wanted) / seconds),
        "megabytes_per_second": round(size / 1e6 / seconds, 1),
        "peak_megabytes": _peak(),
    }


def _fill(data: Path, mail: Path, large: int) -> None:
    store = Store(data / "exchange.sqlite")
    directory = store.add_directory("Bench", DOMAIN)
    mailboxes = [store.add_user(directory.id, one, one).mailbox or "" for one in (CLOUD, SERVER)]
    store.move_mailbox(mailboxes[1], to_server=True)
    for mailbox in mailboxes:
        load_folder(store, [mailbox], mail)
        if large:
            letter = EmailMessage()
            letter["Subject"] = "Large"
            content = random.Random(large).randbytes(large * 1_000_000)
            letter.add_attachment(content, maintype="application", subtype="octet-stream")
            inbox = store.folder(mailbox, "inbox").id
            store.add_item(mailbox, inbox, from_mail(letter.as_bytes()))
    store.close()


def _graph(data: Path, port: int) -> tuple[MailboxSource, str]:
    store = Store(data / "exchange.sqlite")
    url = f"https://127.0.0.1:{port}"
    registration = register(store, DOMAIN, url=url, trust_pem=trust_pem(data))
    mailbox = store.user(CLOUD).mailbox or ""
    store.close()
    return GraphSource(GraphSettings(**asdict(registration))), mailbox


def _ews(data: Path, port: int) -> tuple[MailboxSource, str]:
    store = Store(data / "exchange.sqlite")
    account = register_server_account(store, DOMAIN, "stowage", impersonates=True)
    store.close()
    settings = EwsSettings(
        f"https://127.0.0.1:{port}/EWS/Exchange.asmx",
        f"stowage@{DOMAIN}",
        account.password,
        Auth.NTLM,
        trust_pem=trust_pem(data),
    )
    return EwsSource(settings), SERVER


def _length(payload: object) -> int:
    if payload is None:
        raise AssertionError("an item could not be exported")
    return memoryview(payload).nbytes  # type: ignore[arg-type]


def _peak() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
    return round(int(found[1]) / 1024, 1) if found else None


if __name__ == "__main__":
    sys.exit(main())
