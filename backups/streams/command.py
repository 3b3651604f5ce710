"""``python -m backups.streams``: look at items, check them, write them in other formats.

Exit status: 0 when all went well, 1 when an item is broken or could not be read or written, 2
when the command itself is wrong or a file can't be opened.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from backups.streams.errors import StreamError
from backups.streams.export.archive import Entry, write_zip
from backups.streams.export.files import ExportedFile, Format, export_file
from backups.streams.export.inputs import Input, read_bytes, read_file
from backups.streams.export.listing import listing, properties
from backups.streams.export.names import Paths
from backups.streams.export.properties import write_json
from backups.streams.mail.mbox import write_mbox
from backups.streams.native.stream import index_record, open_stream, validate

USUAL: Final = "usual"
MBOX: Final = "mbox"
ZIP: Final = "zip"
_STANDARD: Final = "-"
_CARDS: Final = frozenset({Format.VCF, Format.VCF4})
_DESCRIPTION: Final = """\
Look at Outlook items, check them, and write them in other formats.

FILE is an exported item (its bytes, or its base64 text), a mail (.eml), a mailbox file (.mbox), a
calendar (.ics), contacts (.vcf), an Outlook message (.msg), an Outlook store (.pst) or a TNEF file
(winmail.dat). It is known by its first bytes. "-" is the standard input.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return _Run(options).status()
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'output'}: {error.strerror or error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backups.streams",
        description=_DESCRIPTION,
        epilog="Exit status: 0 all is well, 1 an item is broken, 2 the command or a file is.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print items readably")
    show.add_argument("--properties", action="store_true", help="print every property")
    show.add_argument("--json", action="store_true", help="print every property as JSON")
    show.add_argument(
        "--whole", action="store_true", help="with --json: large binary values in full"
    )
    commands.add_parser("validate", help="say whether items are whole, and where they are not")
    export = commands.add_parser("export", help="write items as files")
    export.add_argument(
        "--format",
        default=USUAL,
        choices=[USUAL, *(str(format) for format in Format), MBOX, ZIP],
        help="usual (the default) is what each kind of item is opened in: .eml, .ics or .vcf;"
        " fts are the bytes of the item stream; mbox and zip give one file for all items",
    )
    export.add_argument(
        "--to",
        required=True,
        metavar="FOLDER",
        help='the folder to write to, "-" for the standard output; no file is overwritten',
    )
    for command in commands.choices.values():
        command.add_argument("files", nargs="+", metavar="FILE")
    return parser


class _Run:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._failed = False
        self._unopened = False
        self._first = True

    def status(self) -> int:
        actions = {"show": self._show, "validate": self._validate, "export": self._export}
        actions[self._options.command]()
        sys.stdout.flush()
        return 2 if self._unopened else int(self._failed)

    def _inputs(self) -> Iterator[Input]:
        """Every item of every file; what has none is said and left out."""
        for name in self._options.files:
            try:
                if name == _STANDARD:
                    found = read_bytes("standard input", sys.stdin.buffer.read())
                else:
                    found = read_file(Path(name))
                for entry in found:
                    if entry.payload is None:
                        self._problem(entry.label, entry.reason)
                    else:
                        yield entry
            except OSError as error:
                self._unopened = True
                self._problem(name, error.strerror or str(error))

    def _problem(self, label: str, reason: str) -> None:
        self._failed = True
        sys.stderr.write(f"{label}: {reason}\n")

    def _show(self) -> None:
        for entry in self._inputs():
            payload = entry.payload or b""
            try:
                if self._options.json:
                    for piece in write_json(payload, whole=self._options.whole):
                        sys.stdout.buffer.write(piece)
                    continue
                self._print(entry, payload)
            except StreamError as error:
                self._problem(entry.label, str(error))

    def _print(self, entry: Input, payload: bytes) -> None:
        lines = [f"{'' if self._first else chr(10)}== {entry.label}"]
        self._first = False
        lines += properties(payload) if self._options.properties else listing(payload)
        if entry.notes:
            lines += ["", "Kept as text only", *(f"  {note}" for note in entry.notes)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))

    def _validate(self) -> None:
        for entry in self._inputs():
            try:
                summary = validate(entry.payload or b"")
            except StreamError as error:
                self._failed = True
                sys.stdout.write(f"{entry.label}: broken: {error}\n")
                continue
            sys.stdout.write(
                f"{entry.label}: ok, {summary.item_class or 'no class'},"
                f" {summary.properties} properties, {summary.recipients} recipients,"
                f" {summary.attachments} attachments, {summary.size} bytes\n"
            )

    def _export(self) -> None:
        chosen = self._options.format
        if chosen == MBOX:
            mails = write_mbox(self._whole_containers())
            self._write_all(ExportedFile(".mbox", "application/mbox", mails))
        elif chosen == ZIP:
            entries = map(_entry, self._inputs())
            self._write_all(ExportedFile(".zip", "application/zip", write_zip(entries)))
        elif self._options.to == _STANDARD:
            self._to_standard_output(_format(chosen))
        else:
            self._to_folder(Path(self._options.to), _format(chosen))

    def _whole_containers(self) -> Iterator[bytes]:
        """The payloads that a mailbox file can hold: one that can't be read would end it."""
        for entry in self._inputs():
            try:
                open_stream(entry.payload or b"")
            except StreamError as error:
                self._problem(entry.label, str(error))
            else:
                yield entry.payload or b""

    def _write_all(self, file: ExportedFile) -> None:
        if self._options.to == _STANDARD:
            _write(sys.stdout.buffer, file)
            return
        self._save(Path(self._options.to), Paths(), (), "items", file)

    def _to_standard_output(self, format: Format | None) -> None:
        """One item, or cards, which may follow each other; other files don't."""
        for number, entry in enumerate(self._inputs()):
            if number and format not in _CARDS:
                self._problem(entry.label, "the standard output takes one item; choose a folder")
                return
            try:
                _write(sys.stdout.buffer, export_file(entry.payload or b"", format))
            except StreamError as error:
                self._problem(entry.label, str(error))

    def _to_folder(self, folder: Path, format: Format | None) -> None:
        paths = Paths()
        for entry in self._inputs():
            payload = entry.payload or b""
            try:
                file = export_file(payload, format)
                self._save(folder, paths, entry.folder, index_record(payload).subject, file)
            except StreamError as error:
                self._problem(entry.label, str(error))

    def _save(
        self, top: Path, paths: Paths, folder: tuple[str, ...], name: str, file: ExportedFile
    ) -> None:
        """Write a file under a name that is free, and say which; half a file does not stay."""
        while True:
            path = top / paths.file(folder, name, file.suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                target = path.open("xb")
            except FileExistsError:
                continue
            break
        try:
            with target:
                _write(target, file)
        except BaseException:
            path.unlink()
            raise
        sys.stdout.write(f"{path}\n")


def _format(chosen: str) -> Format | None:
    return None if chosen == USUAL else Format(chosen)


def _entry(entry: Input) -> Entry:
    payload = entry.payload or b""
    record = index_record(payload)
    modified = record.received_at or record.sent_at
    size = len(payload)
    return Entry(entry.folder, record.subject, partial(export_file, payload), modified, size)


def _write(target: BinaryIO, file: ExportedFile) -> None:
    for piece in file.pieces:
        target.write(piece)
