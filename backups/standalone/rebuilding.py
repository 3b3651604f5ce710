"""``rebuild``: an index file, made or brought up to date from a repository alone."""

from __future__ import annotations

from contextlib import closing
from uuid import UUID

from backups.repository import StoredCommit, Unreadable, Vault
from backups.standalone.index import Index
from backups.standalone.output import write_json, write_line
from backups.standalone.progress import Meter
from backups.standalone.projecting import Projection, clear
from backups.standalone.session import Session
from backups.standalone.status import OK, UsageError

PACKS_AT_ONCE = 50
_COUNTS = ("mailboxes", "points", "versions", "packs")


def rebuild(session: Session) -> int:
    """Broken off anywhere, it goes on: each commit is in the index with all it says, or not."""
    if session.arguments.into is None:
        raise UsageError("rebuild needs --into FILE")
    with closing(Index(session.arguments.into, session.repository.id, create=True)) as index:
        seen, opened = set[UUID](), set[UUID]()
        for vault in session.vaults():
            opened.add(vault.tenant)
            _note_packs(session, index, vault)
        for vault, mailbox in session.mailboxes():
            seen.add(mailbox)
            _follow(session, index, vault, mailbox)
        if session.arguments.mailbox is None and not session.damaged:
            _forget_others(index, opened, seen)
        counts = {
            name: index.rows.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in _COUNTS
        }
        words = index.has_words
    session.remark(
        f"{session.arguments.into} holds subjects and names in clear: keep it to yourself"
    )
    if session.arguments.json:
        write_json({"file": session.arguments.into, "words": words, **counts})
    else:
        write_line(", ".join(f"{count} {name}" for name, count in counts.items()))
    return OK


def _note_packs(session: Session, index: Index, vault: Vault) -> None:
    tenant = str(vault.tenant)
    rows = index.rows.execute("SELECT pack, number FROM packs WHERE tenant = ?", (tenant,))
    known: dict[str, int] = dict(rows.fetchall())
    listed = set(vault.packs())
    with index.transaction():
        for pack in known.keys() - listed:
            index.rows.execute("DELETE FROM blobs WHERE pack = ?", (known[pack],))
            index.rows.execute("DELETE FROM packs WHERE number = ?", (known[pack],))
    new = sorted(listed - known.keys())
    meter = session.progress.meter("where everything is", len(new), "packs")
    for start in range(0, len(new), PACKS_AT_ONCE):
        with index.transaction():
            for pack in new[start : start + PACKS_AT_ONCE]:
                for stored in session.attempt(vault.read_pack, pack):
                    added = index.rows.execute(
                        "INSERT INTO packs (tenant, pack) VALUES (?, ?)", (tenant, pack)
                    )
                    number = added.lastrowid
                    index.rows.executemany(
                        "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)",
                        [(blob, number, at, length) for blob, at, length in stored.blobs],
                    )
                meter.step()


def _follow(session: Session, index: Index, vault: Vault, mailbox: UUID) -> None:
    """Up to the chain's end. Where it is damaged, what its newest checkpoint tells is taken."""
    with index.transaction():
        known = Projection(index.rows, vault, mailbox)
        if known.head and vault.commit_hash(mailbox, known.head) != known.head_hash:
            # Collected, or another chain than the one that was followed.
            clear(index.rows, mailbox)
            known = Projection(index.rows, vault, mailbox)
    left = sum(1 for sequence in vault.sequences(mailbox) if sequence > known.head)
    meter = session.progress.meter(f"mailbox {mailbox}", left, "commits")
    if list(session.attempt(_apply_all, index, vault, mailbox, meter)):
        return
    start = _newest_checkpoint(vault, mailbox, known.head)
    if start is not None:
        session.remark(f"mailbox {mailbox}: goes on at commit {start.commit.sequence}")
        if list(session.attempt(_begin_at, index, vault, mailbox, start)):
            list(session.attempt(_apply_all, index, vault, mailbox, meter))


def _apply_all(index: Index, vault: Vault, mailbox: UUID, meter: Meter) -> None:
    """Raises Unreadable; what came before is in the index then."""
    known = Projection(index.rows, vault, mailbox)
    for stored in vault.commits(mailbox, after=known.head):
        with index.transaction():
            checkpoint = stored.commit.checkpoint
            if known.head == 0 and stored.commit.sequence > 1 and checkpoint is not None:
                known.load(stored, checkpoint)
            else:
                known.apply(stored)
        meter.step()


def _begin_at(index: Index, vault: Vault, mailbox: UUID, start: StoredCommit) -> None:
    if start.commit.checkpoint is not None:
        with index.transaction():
            Projection(index.rows, vault, mailbox).load(start, start.commit.checkpoint)


def _newest_checkpoint(vault: Vault, mailbox: UUID, after: int) -> StoredCommit | None:
    for sequence in reversed(vault.sequences(mailbox)):
        if sequence <= after:
            return None
        try:
            stored = vault.read_commit(mailbox, sequence)
        except Unreadable:
            continue
        if stored is not None and stored.commit.checkpoint is not None:
            return stored
    return None


def _forget_others(index: Index, opened: set[UUID], seen: set[UUID]) -> None:
    """Mailboxes whose keys were destroyed, or that are not in the repository any more."""
    rows = index.rows.execute("SELECT tenant, mailbox FROM mailboxes").fetchall()
    with index.transaction():
        for tenant, mailbox in rows:
            if UUID(tenant) in opened and UUID(mailbox) not in seen:
                clear(index.rows, UUID(mailbox))
