"""All tables of the app, each defined in its own room."""

from backups.catalog.models import (
    BlobLocation,
    Folder,
    ItemFault,
    ItemVersion,
    MailboxBackup,
    Pack,
    RestorePoint,
    SyncCursor,
)
from backups.destruction.models import (
    Destruction,
    DestructionCertificate,
    DestructionPlace,
)
from backups.infrastructure.models import Allocation, MailboxKey, Proxy, Repository
from backups.jobs.models import Coverage, ExcludedMailbox, GlobalExclusion, Job
from backups.organizations.models import ExchangeServer, Mailbox, Organization
from backups.restores.models import BasketItem, RestoreItem
from backups.retention.models import ClockWatch, CollectionRun, LegalHold
from backups.sessions.models import Session, SessionLog, Task
from backups.verifications.models import DamagedItem, DamagedObject, Verification

__all__ = [
    "Allocation",
    "BasketItem",
    "BlobLocation",
    "ClockWatch",
    "CollectionRun",
    "Coverage",
    "DamagedItem",
    "DamagedObject",
    "Destruction",
    "DestructionCertificate",
    "DestructionPlace",
    "ExchangeServer",
    "ExcludedMailbox",
    "Folder",
    "GlobalExclusion",
    "ItemFault",
    "ItemVersion",
    "Job",
    "LegalHold",
    "Mailbox",
    "MailboxBackup",
    "MailboxKey",
    "Organization",
    "Pack",
    "Proxy",
    "Repository",
    "RestoreItem",
    "RestorePoint",
    "Session",
    "SessionLog",
    "SyncCursor",
    "Task",
    "Verification",
]
