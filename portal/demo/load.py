"""Filling the sandbox: its own sample, or a folder of real mail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from portal.demo.layout import ORGANIZATIONS, PEOPLE
from portal.demo.stage import Stage
from sandbox import sample
from sandbox.load import LoadReport, load_folder
from sandbox.store import Store

SAMPLE = "the built-in sample"


class LoadRefused(Exception):
    """The mail cannot be loaded; the message says why."""


def load_mail(stage: Stage, mail: Path | None, say: Callable[[str], None]) -> None:
    """Fill a new sandbox; one that is filled already stays as it is.

    A load that was broken off leaves no note and begins again. Raises LoadRefused for a folder
    that is none or holds no mail, and when the sandbox holds other mail already.
    """
    wanted = str(mail.resolve()) if mail else ""
    held = stage.note("mail")
    if held:
        if wanted and wanted != held:
            raise LoadRefused(
                f"This demo holds {held}. Run make demo-clean first, or choose another"
                " PORTAL_DATA_DIR, to load other mail."
            )
        say(f"The sandbox holds {held} from before.")
        return
    for file in stage.sandbox_dir.glob(f"{stage.store_path.name}*"):
        file.unlink()
    store = Store(stage.store_path)
    try:
        if mail is None:
            sample.fill(store)
        else:
            _load_folder(store, mail, say)
        for _domain, address, items, size in store.counts():
            say(f"  {address:<34} {items:>6} items {size / 1e6:>8.2f} MB")
    finally:
        store.close()
    stage.write_note("mail", wanted or SAMPLE)


def _load_folder(store: Store, mail: Path, say: Callable[[str], None]) -> None:
    if not mail.is_dir():
        raise LoadRefused(f"MAIL={mail} is not a folder.")
    names = {organization.domain: organization.name for organization in ORGANIZATIONS}
    mailboxes = []
    for address, name in PEOPLE:
        domain = address.partition("@")[2]
        directory = store.add_directory(names[domain], domain)
        user = store.add_user(directory.id, address, name)
        if user.mailbox:
            mailboxes.append(user.mailbox)
    report = load_folder(store, mailboxes, mail, _show)
    for refusal in report.refused:
        say(f"  not loaded: {refusal.name}: {refusal.reason}")
    for note in report.notes:
        say(f"  loaded, but: {note.name}: {note.reason}")
    say(f"{report.found} found, {report.loaded} loaded, {len(report.refused)} not loaded.")
    if not report.loaded:
        raise LoadRefused(f"There is nothing that could be loaded in {mail}.")


def _show(report: LoadReport) -> None:
    if sys.stderr.isatty() and report.loaded % 100 == 0:
        sys.stderr.write(f"\rLoading mail: {report.loaded}\x1b[K")
        sys.stderr.flush()
