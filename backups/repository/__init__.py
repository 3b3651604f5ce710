"""The open repository format: blobs, packs, commits, keys, backends (docs/repository-format.md).

A library: no Django, no database. Whoever uses it keeps leases, heads and the blob index.
"""

from .backend import Backend, FolderBackend
from .blobs import BlobRef, PackClass
from .chain import StoredCommit
from .checkpoints import Checkpoint, FolderVersion
from .commits import NO_COMMIT, Commit, CommitKind, Expired, Hold
from .destruction import (
    DestroyedObject,
    Destruction,
    destroy_mailbox_key,
    destroy_tenant_keys,
    destructions,
)
from .errors import (
    AlreadyExists,
    ChainBroken,
    CommitExists,
    Damaged,
    KeyDestroyed,
    NoSpace,
    NotARepository,
    NotFound,
    PassphraseTooShort,
    RepositoryError,
    RootKeyError,
    Unavailable,
    Unreadable,
    UnsupportedFormat,
    WriterFailed,
    WrongKey,
)
from .key_service import KeyService, ServiceKey
from .keys import KeyWrapper, RootKey, TenantKeys, new_key, unwrap_key, wrap_key
from .packs import Location, StoredPack
from .records import (
    FaultRecord,
    FolderRecord,
    ItemRecord,
    Point,
    decode_references,
    encode_references,
    referenced_ids,
)
from .recovery import Cost, open_recovery, write_recovery
from .repository import Repository
from .rotation import replaced_versions, retire, rewrap_tenant_keys, rotate_tenant_key
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
    "Cost",
    "Damaged",
    "DestroyedObject",
    "Destruction",
    "Expired",
    "FaultRecord",
    "FolderBackend",
    "FolderRecord",
    "FolderVersion",
    "Hold",
    "ItemRecord",
    "KeyDestroyed",
    "KeyService",
    "KeyWrapper",
    "Locate",
    "Location",
    "MailboxState",
    "NoSpace",
    "NotARepository",
    "NotFound",
    "PackClass",
    "PassphraseTooShort",
    "Point",
    "Repository",
    "RepositoryError",
    "RootKey",
    "RootKeyError",
    "ServiceKey",
    "StoredCommit",
    "StoredPack",
    "TenantKeys",
    "Unavailable",
    "Unreadable",
    "UnsupportedFormat",
    "Vault",
    "Writer",
    "WriterFailed",
    "WrongKey",
    "decode_references",
    "destroy_mailbox_key",
    "destroy_tenant_keys",
    "destructions",
    "encode_references",
    "located",
    "new_key",
    "open_recovery",
    "referenced_ids",
    "replaced_versions",
    "retire",
    "rewrap_tenant_keys",
    "rotate_tenant_key",
    "unwrap_key",
    "wrap_key",
    "write_recovery",
]
