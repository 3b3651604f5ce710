"""``python -m sandbox``: serve, fill and look at a sandbox Exchange."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from sandbox import sample
from sandbox.load import LoadReport, load_folder
from sandbox.records import Conflict, NotFound
from sandbox.store import Store
from sandbox.testing import STORE_NAME, Sandbox


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status. Errors of the caller are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (OSError, ValueError, NotFound, Conflict) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    return status


def serve(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with Sandbox(options.data, options.port) as sandbox:
        if options.faults:
            sandbox.faults.load(options.faults.read_text(encoding="utf-8"))
        if options.port_file:
            _write_port(options.port_file, sandbox.url.rpartition(":")[2])
        _say(f"sandbox: serving {sandbox.url}")
        _say(f"sandbox: its authority's certificate is {options.data / 'ca.pem'}")
        for domain, address, items, size in sandbox.store.counts():
            _say(f"sandbox: {domain}: {address}: {items} items, {size} bytes")
        stop.wait()
    _say("sandbox: stopped")
    return 0


def load(options: argparse.Namespace) -> int:
    """Load a folder of mail; status 1 when nothing could be loaded."""
    store = Store(options.data / STORE_NAME)
    domain = options.organization
    directory = store.add_directory(domain.partition(".")[0].title(), domain)
    for number in range(len(store.users(directory.id)), options.mailboxes):
        store.add_user(directory.id, f"user{number + 1}@{domain}", f"User {number + 1}")
    mailboxes = [user.mailbox for user in store.users(directory.id) if user.mailbox]
    report = load_folder(store, mailboxes, options.mail, _progress)
    for refusal in report.refused:
        _say(f"sandbox: not loaded: {refusal.name}: {refusal.reason}")
    _say(
        f"sandbox: {report.found} found, {report.loaded} loaded into {len(mailboxes)} mailboxes,"
        f" {len(report.refused)} not"
    )
    store.close()
    return 0 if report.loaded else 1


def fill(options: argparse.Namespace) -> int:
    """Create the sample organizations."""
    store = Store(options.data / STORE_NAME)
    sample.fill(store)
    for domain, address, items, size in store.counts():
        _say(f"sandbox: {domain}: {address}: {items} items, {size} bytes")
    store.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run in (("serve", serve), ("load", load), ("sample", fill)):
        command = commands.add_parser(name, help=(run.__doc__ or "").partition(".")[0])
        command.set_defaults(run=run)
        command.add_argument("--data", type=Path, required=True, help="folder of the sandbox")
        if name == "serve":
            command.add_argument("--port", type=int, default=0, help="0 takes a free one")
            command.add_argument("--port-file", type=Path, help="written when it is served")
            command.add_argument("--faults", type=Path, help="JSON script of faults")
            command.add_argument("--verbose", action="store_true", help="name each request")
        if name == "load":
            command.add_argument("--mail", type=Path, required=True, help="searched recursively")
            command.add_argument("--organization", default="acme.example", help="its domain")
            command.add_argument("--mailboxes", type=int, default=4, help="at least so many")
    return parser


def _write_port(path: Path, port: str) -> None:
    # By rename: whoever waits for the file never reads half a number.
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(port, encoding="ascii")
    partial.replace(path)


def _progress(report: LoadReport) -> None:
    if report.loaded % 1000 == 0:
        _say(f"sandbox: {report.loaded} loaded")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
