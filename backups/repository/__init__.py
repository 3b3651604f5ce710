"""The open repository format: blobs, packs, commits, keys, backends (docs/repository-format.md).

A library: no Django, no database. Whoever uses it keeps leases, heads and the blob index.
"""

from .backend import Backend, FolderBackend
from .blobs import BlobRef, PackClass
from .chain import StoredCommit
from .checkpoints import Checkpoint, FolderVersion
from .commits import NO_COMMIT, Commit, CommitKind, Expired, Hold
from .errors import (
    AlreadyExists,
    ChainBroken,
    CommitExists,
    Damaged,
    NoSpace,
    NotARepository,
    NotFound,
    RepositoryError,
    RootKeyError,
    Unavailable,
    UnsupportedFormat,
    WrongKey,
)
from .keys import RootKey, TenantKeys, new_key, unwrap_key, wrap_key
from .packs import Location, StoredPack
from .records import (
    FaultRecord,
    FolderRecord,
    ItemRecord,
    Point,
    decode_references,
    encode_references,
)
from .repository import Repository
from .state import MailboxState
from .vault import Vault
from .writer import Locate, Writer, located

__all__ = [
    "NO_COMMIT",
    "AlreadyExists",
    "Backend",
    "BlobRef",
    "ChainBroken",
    "Checkpoint",
    "Commit",
    "CommitExists",
    "CommitKind",
    "Damaged",
    "Expired",
    "FaultRecord",
    "FolderBackend",
    "FolderRecord",
    "FolderVersion",
    "Hold",
    "ItemRecord",
    "Locate",
    "Location",
    "MailboxState",
    "NoSpace",
    "NotARepository",
    "NotFound",
    "PackClass",
    "Point",
    "Repository",
    "RepositoryError",
    "RootKey",
    "RootKeyError",
    "StoredCommit",
    "StoredPack",
    "TenantKeys",
    "Unavailable",
    "UnsupportedFormat",
    "Vault",
    "Writer",
    "WrongKey",
    "decode_references",
    "encode_references",
    "located",
    "new_key",
    "unwrap_key",
    "wrap_key",
]
