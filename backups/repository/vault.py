"""One tenant's share of a repository: the face that the rest of the product works with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from backups.parts import Recipe

from . import envelope, layout
from .backend import Backend
from .blobs import BlobRef
from .chain import Chain, StoredCommit, Tip
from .checkpoints import Checkpoint
from .commits import Commit
from .destruction import destructions, require_not_destroyed
from .dictionaries import Dictionary
from .errors import (
    AlreadyExists,
    KeyDestroyed,
    NotFound,
    RepositoryError,
    Unreadable,
    WrongKey,
)
from .keys import TenantKeys
from .packs import Location, StoredPack
from .reader import Reader
from .records import ItemRecord
from .repacking import Repacker
from .state import MailboxState
from .training import Clock, now
from .writer import Locate, Writer

SEAL_MAGIC = b"STWS"
SMALL = 512

MailboxKey = Callable[[UUID], bytes]


class Vault:
    """Holds the tenant's keys in memory. Not safe for use by several threads at once."""

    def __init__(
        self, backend: Backend, tenant: UUID, keys: TenantKeys, mailbox_key: MailboxKey
    ) -> None:
        self.tenant = tenant
        self._backend = backend
        self._keys = keys
        self._mailbox_key = mailbox_key
        self._reader = Reader(backend, tenant, keys)
        self._tips: dict[UUID, Tip] = {}

    @property
    def keys(self) -> TenantKeys:
        return self._keys

    def save_keys(self, wrapped: bytes, version: int = 1) -> None:
        """Keep the escrow copy of the tenant's wrapped keys; the same bytes again are fine.

        Raises RepositoryError when other bytes are there already: nothing overwrites a key; and
        KeyDestroyed.
        """
        self._save_once(layout.tenant_key(self.tenant, version), wrapped, None)

    def save_mailbox_key(self, mailbox: UUID, wrapped: bytes, version: int = 1) -> None:
        """As ``save_keys``. Raises WrongKey or Damaged for what this tenant can't unwrap."""
        name = layout.mailbox_key(self.tenant, mailbox, version)
        key = self._keys.unwrap_mailbox_key(wrapped, self.tenant, mailbox, name)
        if key != self._mailbox_key(mailbox):
            raise WrongKey(name, "not the key that the mailbox is written with")
        self._save_once(name, wrapped, mailbox)

    def writer(self, locate: Locate, clock: Clock = now) -> Writer:
        """``clock`` tells how old dictionaries are."""
        return Writer(self._backend, self.tenant, self._keys, locate, clock)

    def read_item(
        self, recipe: Recipe, refs: Sequence[BlobRef], sha256: bytes, locate: Locate
    ) -> bytes:
        """The exact bytes that were backed up. Raises Damaged, naming pack and blob."""
        return self._reader.item(recipe, refs, sha256, locate)

    def packs(self) -> Iterator[str]:
        """Ids of all packs that a listing shows."""
        for key in self._backend.list(layout.packs_prefix(self.tenant)):
            if (pack := layout.pack_of(key)) is not None:
                yield pack

    def has_pack(self, pack: str) -> bool:
        """Whether a pack is there. Raises Unavailable."""
        return self._backend.exists(layout.pack_key(self.tenant, pack))

    def read_pack(self, pack: str) -> StoredPack:
        """What the writer gave the catalog, read from the pack's end. Raises Damaged, NotFound."""
        return self._reader.pack(pack)

    def delete_pack(self, pack: str) -> None:
        """For collection alone. Raises NotFound, and Refused where the storage says no."""
        self._backend.delete(layout.pack_key(self.tenant, pack))

    def repacker(self) -> Repacker:
        return Repacker(self._backend, self.tenant, self._keys)

    def read_dictionary(self, number: int) -> Dictionary:
        """From its own object. Raises NotFound, Damaged, UnsupportedFormat."""
        return self._reader.dictionary(number)

    def is_sound(self, at: Location) -> bool:
        """Whether the blob there has its checksum; needs no mailbox key. Raises Unavailable."""
        return self._reader.is_sound(at)

    def pack_index(
        self,
        damaged: list[Unreadable] | None = None,
        progress: Callable[[], None] | None = None,
    ) -> dict[bytes, Location]:
        """Where every blob is, from the packs alone; about 250 bytes of memory per blob.

        A pack that can't be read raises Unreadable, or is added to ``damaged`` when that is given.
        ``progress`` is called before each pack.
        """
        index: dict[bytes, Location] = {}
        for pack in self.packs():
            if progress is not None:
                progress()
            try:
                entries = self.read_pack(pack).blobs
            except Unreadable as error:
                if damaged is None:
                    raise
                damaged.append(error)
                continue
            for blob_id, offset, length in entries:
                at = Location(pack, offset, length)
                # There twice, it may have been stored again because the first one was damaged.
                if blob_id not in index or not self._reader.is_sound(index[blob_id]):
                    index[blob_id] = at
        return index

    def write_commit(self, commit: Commit) -> bytes:
        """Returns the object's hash. Adds a checkpoint when one is due.

        Raises CommitExists, ChainBroken; Damaged when the commit before is; ValueError for
        nonsense.
        """
        tip = self._chain(commit.mailbox).write(commit, self._tips.get(commit.mailbox))
        self._tips[commit.mailbox] = tip
        return tip.hash

    def read_commit(self, mailbox: UUID, sequence: int) -> StoredCommit | None:
        """None when the number is not filled. Raises Damaged."""
        return self._chain(mailbox).read(sequence)

    def commit_hash(self, mailbox: UUID, sequence: int) -> bytes | None:
        """What the next commit names as ``previous``; None when the number is not filled."""
        try:
            return Chain(self._backend, self.tenant, mailbox, b"").hash_of(sequence)
        except NotFound:
            return None

    def commits(self, mailbox: UUID, after: int = 0) -> Iterator[StoredCommit]:
        """In order, the chain verified on the way. Raises Damaged at a gap or a forged link."""
        return self._chain(mailbox).commits(after)

    def state(self, mailbox: UUID, sequence: int | None = None) -> MailboxState:
        """The mailbox after that commit, or after all, less what has expired since.

        Raises Damaged; NotFound for a commit that is not there, or is before the newest checkpoint
        and no restore point that is still offered.
        """
        return self._chain(mailbox).state(sequence)

    def latest_point(self, mailbox: UUID) -> int | None:
        """The newest restore point that is still offered. Raises Damaged."""
        return self._chain(mailbox).latest_point()

    def versions(
        self, mailbox: UUID, checkpoint: Checkpoint
    ) -> Iterator[tuple[int, int | None, ItemRecord]]:
        """Each item version of a checkpoint: from which commit on, before which one, and what.

        For whoever follows a chain that begins at a checkpoint. Raises Damaged.
        """
        return self._chain(mailbox).versions(checkpoint)

    def sequences(self, mailbox: UUID) -> list[int]:
        """Numbers of the commits that a listing shows, in order; needs no mailbox key."""
        return Chain(self._backend, self.tenant, mailbox, b"").sequences()

    def mailboxes(self) -> list[UUID]:
        """Mailboxes that have commits or a key here."""
        names = self._backend.folders(layout.commits_prefix(self.tenant))
        found = {mailbox for name in names if (mailbox := layout.uuid_of(name)) is not None}
        for key in self._backend.list(layout.keys_prefix(self.tenant)):
            if (place := layout.mailbox_key_of(key)) is not None:
                found.add(place[0])
        return sorted(found)

    def destroyed_mailboxes(self) -> set[UUID]:
        """Whose key was destroyed on request; commits may still be there. Raises Damaged."""
        return {mailbox for mailbox in destructions(self._backend, self.tenant) if mailbox}

    def seal(self, mailbox: UUID, bound: bytes, data: bytes) -> bytes:
        """Encrypt with the mailbox key; ``bound`` says what it is and must be given again."""
        key, context = self._mailbox_key(mailbox), self._seal_context(mailbox, bound)
        # Of references, which are ids and keys, nothing would be saved.
        return envelope.seal(SEAL_MAGIC, key, context, data, worth_compressing=len(data) > SMALL)

    def unseal(self, mailbox: UUID, bound: bytes, sealed: bytes) -> bytes:
        """Raises Damaged."""
        context = self._seal_context(mailbox, bound)
        name = f"sealed record of mailbox {mailbox}"
        return envelope.unseal(SEAL_MAGIC, self._mailbox_key(mailbox), context, sealed, name)

    def _seal_context(self, mailbox: UUID, bound: bytes) -> bytes:
        return envelope.context("seal", self.tenant, mailbox) + bound

    def _chain(self, mailbox: UUID) -> Chain:
        return Chain(self._backend, self.tenant, mailbox, self._mailbox_key(mailbox))

    def _take_back_if_destroyed(self, name: str, mailbox: UUID | None) -> None:
        """Whoever destroys a key meanwhile may have looked for copies before this one came."""
        try:
            require_not_destroyed(self._backend, self.tenant, mailbox)
        except KeyDestroyed:
            with contextlib.suppress(NotFound):
                self._backend.delete(name)
            raise

    def _save_once(self, name: str, wrapped: bytes, mailbox: UUID | None) -> None:
        if not self._backend.exists(name):
            require_not_destroyed(self._backend, self.tenant, mailbox)
            with contextlib.suppress(AlreadyExists):
                self._backend.put_immutable(name, wrapped)
            self._take_back_if_destroyed(name, mailbox)
        if self._backend.get(name) != wrapped:
            raise RepositoryError(f"{name}: another key is there, and stays")
