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
from sandbox.registration import register_server_account
from sandbox.store import Store
from sandbox.testing import STORE_NAME, Sandbox

_DOMAIN = "acme.example"


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
    """Serve until SIGTERM or Ctrl-C. With ``--mail`` an empty sandbox is loaded first."""
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    with Sandbox(options.data, options.port) as sandbox:
        if options.mail and not any(items for _, _, items, _ in sandbox.store.counts()):
            _load(sandbox.store, options)
        if options.faults:
            sandbox.faults.load(options.faults.read_text(encoding="utf-8"))
        if options.port_file:
            _write_port(options.port_file, sandbox.url.rpartition(":")[2])
        _say(f"sandbox: serving {sandbox.url}")
        _say(f"sandbox: EWS is at {sandbox.ews_url}")
        _say(f"sandbox: its authority's certificate is {sandbox.folder / 'ca.pem'}")
        for domain, address, items, size in sandbox.store.counts():
            _say(f"sandbox: {domain}: {address}: {items} items, {size} bytes")
        stop.wait()
    _say("sandbox: stopped")
    return 0


def load(options: argparse.Namespace) -> int:
    """Load a folder of mail; status 1 when nothing could be loaded."""
    store = Store(options.data / STORE_NAME)
    report = _load(store, options)
    store.close()
    return 0 if report.loaded else 1


def account(options: argparse.Namespace) -> int:
    """Make an account at an organization's Exchange Server, or give it a new password."""
    store = Store(options.data / STORE_NAME)
    made = register_server_account(
        store, options.organization, options.name, impersonates=not options.plain
    )
    _say(f"{made.name}@{options.organization} {made.password}")
    store.close()
    return 0


def move(options: argparse.Namespace) -> int:
    """Move a mailbox and its archive to the organization's server, or to the cloud."""
    store = Store(options.data / STORE_NAME)
    mailbox = store.user(options.address).mailbox
    if mailbox is None:
        raise NotFound(f"{options.address} has no mailbox")
    store.move_mailbox(mailbox, to_server=options.to == "server")
    store.close()
    return 0


def _load(store: Store, options: argparse.Namespace) -> LoadReport:
    domain = options.organization
    directory = store.add_directory(domain.partition(".")[0].title(), domain)
    for number in range(len(store.users(directory.id)), options.mailboxes):
        user = store.add_user(directory.id, f"user{number + 1}@{domain}", f"User {number + 1}")
        if options.on_server and user.mailbox:
            store.move_mailbox(user.mailbox, to_server=True)
    mailboxes = [user.mailbox for user in store.users(directory.id) if user.mailbox]
    report = load_folder(store, mailboxes, options.mail, _progress)
    for refusal in report.refused:
        _say(f"sandbox: not loaded: {refusal.name}: {refusal.reason}")
    _say(
        f"sandbox: {report.found} found, {report.loaded} loaded into {len(mailboxes)} mailboxes,"
        f" {len(report.refused)} not"
    )
    return report


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
    made = {}
    for run in (serve, load, fill, account, move):
        name = "sample" if run is fill else run.__name__
        command = commands.add_parser(name, help=(run.__doc__ or "").partition(".")[0])
        command.set_defaults(run=run)
        command.add_argument(
            "--data", type=Path, required=run is not serve, help="folder of the sandbox"
        )
        made[name] = command
    _add_serving(made["serve"])
    for name in ("serve", "load"):
        _add_loading(made[name], needed=name == "load")
    made["account"].add_argument("--organization", default=_DOMAIN, help="its domain")
    made["account"].add_argument("--name", default="stowage", help="before the @")
    made["account"].add_argument("--plain", action="store_true", help="may not impersonate")
    made["move"].add_argument("address")
    made["move"].add_argument("to", choices=["server", "cloud"])
    return parser


def _add_serving(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=0, help="0 takes a free one")
    command.add_argument("--port-file", type=Path, help="written when it is served")
    command.add_argument("--faults", type=Path, help="JSON script of faults")
    command.add_argument("--verbose", action="store_true", help="name each request")


def _add_loading(command: argparse.ArgumentParser, *, needed: bool) -> None:
    command.add_argument("--mail", type=Path, required=needed, help="searched recursively")
    command.add_argument("--organization", default=_DOMAIN, help="its domain")
    command.add_argument("--mailboxes", type=int, default=4, help="at least so many")
    command.add_argument("--on-server", action="store_true", help="new ones are not in the cloud")


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
