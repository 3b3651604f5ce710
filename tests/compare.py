"""Compare what the sandbox Exchange holds with what the repositories hold, byte by byte.

    python tests/compare.py --sandbox exchange.sqlite --root-key-file F REPOSITORY… [--json]
        [--restored TENANT:MAILBOX:POINT:ORIGINAL-ITEM:RESTORED-ITEM …]
    python tests/compare.py --sandbox exchange.sqlite --exported DIR… [--json]

Nothing of the code under test decides here: the sandbox is read with sqlite3 from its own file,
and the repositories through their stand-alone command, in a process of its own. Every item of the
sandbox must be in the latest restore point of its mailbox with the same bytes, and every item
there must be in the sandbox. ``--exported`` names folders that the command has written elsewhere,
as stored bytes, instead. For a restored item the normalised digests must match: a server
rewrites identifiers, some dates and its build number on import.

Exit status 0 when everything is equal, 1 when something differs, 2 when it could not be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from backups.streams import normalised_digest  # noqa: E402

SHOWN = 20
"""Differences that are named; the others are counted."""


@dataclass
class Comparison:
    items: int = 0
    bytes: int = 0
    mailboxes: int = 0
    restored: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.differences


class Uncomparable(Exception):
    """The comparison itself could not be made."""


def main() -> int:
    options = _arguments()
    try:
        if options.exported:
            comparison = compare_exported(options.sandbox, options.repositories)
        else:
            comparison = compare(options.sandbox, options.repositories, options.root_key_file)
        for restored in options.restored:
            _compare_restored(comparison, options, *restored.split(":"))
    except (Uncomparable, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"compare: {error}\n")
        return 2
    if options.json:
        print(json.dumps({**asdict(comparison), "equal": comparison.equal}))
    else:
        _report(comparison)
    return 0 if comparison.equal else 1


def compare(sandbox: Path, repositories: list[Path], root_key_file: Path) -> Comparison:
    """Every item of the sandbox against the union of the repositories' latest points."""
    with tempfile.TemporaryDirectory(prefix="stowage-compare-") as folder:
        folders = [Path(folder) / str(number) for number in range(len(repositories))]
        for repository, to in zip(repositories, folders, strict=True):
            key = ["--root-key-file", str(root_key_file)]
            _command("export", str(repository), *key, "--to", str(to))
        return compare_exported(sandbox, folders)


def compare_exported(sandbox: Path, folders: list[Path]) -> Comparison:
    """Every item of the sandbox against the union of what was exported."""
    comparison = Comparison()
    stored: dict[str, tuple[str, int, str]] = {}
    for folder in folders:
        for item_id, entry in _exported(folder, comparison):
            if item_id in stored:
                comparison.differences.append(f"{item_id}: stored in two mailboxes")
            stored[item_id] = entry
    for item_id, folder_id, change_key, payload in _sandbox_items(sandbox):
        comparison.items += 1
        comparison.bytes += len(payload)
        found = stored.pop(item_id, None)
        wanted = (hashlib.sha256(payload).hexdigest(), len(payload), folder_id)
        if found is None:
            comparison.differences.append(f"{item_id} ({change_key}): not in any repository")
        elif found != wanted:
            comparison.differences.append(f"{item_id} ({change_key}): {found} instead of {wanted}")
    comparison.differences += [f"{item_id}: not in the sandbox any more" for item_id in stored]
    return comparison


def _exported(to: Path, comparison: Comparison) -> Iterator[tuple[str, tuple[str, int, str]]]:
    """Item id → (SHA-256 of the exported file's bytes, size, folder id)."""
    mailboxes = set()
    with (to / "manifest.jsonl").open(encoding="utf-8") as manifest:
        for line in manifest:
            entry = json.loads(line)
            content = (to / entry["file"]).read_bytes()
            mailboxes.add(entry["mailbox"])
            digest = hashlib.sha256(content).hexdigest()
            yield entry["item_id"], (digest, len(content), entry["folder_id"])
    comparison.mailboxes += len(mailboxes)


def _sandbox_items(path: Path) -> Iterator[tuple[str, str, str, bytes]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield from connection.execute("SELECT id, folder, change_key, payload FROM items")
    finally:
        connection.close()


def _compare_restored(
    comparison: Comparison,
    options: argparse.Namespace,
    tenant: str,
    mailbox: str,
    point: str,
    original: str,
    restored: str,
) -> None:
    payload = next(
        (content for item, _, _, content in _sandbox_items(options.sandbox) if item == restored),
        None,
    )
    if payload is None:
        comparison.differences.append(f"{restored}: restored, but not in the sandbox")
        return
    contents = [
        content
        for repository in options.repositories
        if (content := _stored_item(options, repository, tenant, mailbox, point, original))
    ]
    if not contents:
        comparison.differences.append(f"{original}: not at point {point} of mailbox {mailbox}")
    elif normalised_digest(contents[0]) != normalised_digest(payload):
        comparison.differences.append(f"{restored}: its normalised digest is not {original}'s")
    else:
        comparison.restored += 1


def _stored_item(
    options: argparse.Namespace, repository: Path, tenant: str, mailbox: str, point: str, item: str
) -> bytes | None:
    place = ["--tenant", tenant, "--mailbox", mailbox, "--point", point, "--item", item]
    key = ["--root-key-file", str(options.root_key_file)]
    try:
        return _command("cat", str(repository), *key, *place)
    except Uncomparable:
        return None  # the mailbox is in another of the repositories


def _command(*arguments: str) -> bytes:
    run = subprocess.run(
        [sys.executable, "-m", "backups.repository", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if run.returncode:
        message = run.stderr.decode(errors="replace").strip()
        raise Uncomparable(f"{' '.join(arguments[:2])}: exit {run.returncode}: {message}")
    return run.stdout


def _report(comparison: Comparison) -> None:
    print(
        f"{comparison.items} items, {comparison.bytes} bytes, {comparison.mailboxes} mailboxes,"
        f" {comparison.restored} restored items compared"
    )
    for difference in comparison.differences[:SHOWN]:
        print(f"  {difference}")
    if len(comparison.differences) > SHOWN:
        print(f"  … and {len(comparison.differences) - SHOWN} more")
    print("equal" if comparison.equal else f"{len(comparison.differences)} differences")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("repositories", type=Path, nargs="+", metavar="REPOSITORY")
    parser.add_argument("--sandbox", type=Path, required=True)
    opened = parser.add_mutually_exclusive_group(required=True)
    opened.add_argument("--root-key-file", type=Path)
    opened.add_argument("--exported", action="store_true", help="folders instead of repositories")
    parser.add_argument("--restored", action="append", default=[], metavar="T:M:P:OLD:NEW")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
