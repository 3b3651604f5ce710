"""Names of objects, and the marker ``stowage.json`` (docs/repository-format.md, "Objects")."""

from __future__ import annotations

import hashlib
import json
import re
from uuid import UUID

from .errors import Damaged, UnsupportedFormat

FORMAT = 1
MARKER = "stowage.json"
TENANTS = "tenants/"

_PACK = re.compile(r"^tenants/[0-9a-f-]{36}/packs/([0-9a-f]{2})/([0-9a-f]{64})$")
_COMMIT = re.compile(r"^tenants/[0-9a-f-]{36}/commits/([0-9a-f-]{36})/([0-9]{10})$")
_MAILBOX_KEY = re.compile(r"^tenants/[0-9a-f-]{36}/keys/mailbox-([0-9a-f-]{36})\.([0-9]+)$")
_DICTIONARY = re.compile(r"^tenants/[0-9a-f-]{36}/dictionaries/([0-9]{10})$")
_SEGMENT = re.compile(r"^tenants/[0-9a-f-]{36}/segments/([0-9a-f-]{36})/([0-9a-f]{64})$")
_RECOVERY = re.compile(r"^tenants/[0-9a-f-]{36}/keys/recovery\.([0-9]+)$")
_DESTRUCTION = re.compile(
    r"^tenants/[0-9a-f-]{36}/keys/(?:tenant|mailbox-([0-9a-f-]{36}))\.(destroying|destroyed)$"
)
_TENANT_KEY = re.compile(r"^tenants/[0-9a-f-]{36}/keys/tenant\.([0-9]+)$")


def tenant_prefix(tenant: UUID) -> str:
    return f"{TENANTS}{tenant}/"


def keys_prefix(tenant: UUID) -> str:
    return f"{TENANTS}{tenant}/keys/"


def tenant_key(tenant: UUID, version: int) -> str:
    return f"{keys_prefix(tenant)}tenant.{version}"


def mailbox_key(tenant: UUID, mailbox: UUID, version: int) -> str:
    return f"{keys_prefix(tenant)}mailbox-{mailbox}.{version}"


def recovery_key(tenant: UUID, version: int) -> str:
    return f"{keys_prefix(tenant)}recovery.{version}"


def destruction_key(tenant: UUID, mailbox: UUID | None, *, finished: bool) -> str:
    """``mailbox`` None: the tenant's keys."""
    what = "tenant" if mailbox is None else f"mailbox-{mailbox}"
    return f"{keys_prefix(tenant)}{what}.{'destroyed' if finished else 'destroying'}"


def dictionaries_prefix(tenant: UUID) -> str:
    return f"{TENANTS}{tenant}/dictionaries/"


def dictionary_key(tenant: UUID, number: int) -> str:
    return f"{dictionaries_prefix(tenant)}{number:010d}"


def segments_prefix(tenant: UUID, mailbox: UUID | None = None) -> str:
    prefix = f"{TENANTS}{tenant}/segments/"
    return prefix if mailbox is None else f"{prefix}{mailbox}/"


def segment_key(tenant: UUID, mailbox: UUID, segment: str) -> str:
    """``segment`` is the SHA-256 of the object in hexadecimal."""
    return f"{segments_prefix(tenant, mailbox)}{segment}"


def packs_prefix(tenant: UUID) -> str:
    return f"{TENANTS}{tenant}/packs/"


def pack_key(tenant: UUID, pack: str) -> str:
    """``pack`` is the SHA-256 of the pack in hexadecimal."""
    return f"{packs_prefix(tenant)}{pack[:2]}/{pack}"


def commits_prefix(tenant: UUID, mailbox: UUID | None = None) -> str:
    prefix = f"{TENANTS}{tenant}/commits/"
    return prefix if mailbox is None else f"{prefix}{mailbox}/"


def commit_key(tenant: UUID, mailbox: UUID, sequence: int) -> str:
    return f"{commits_prefix(tenant, mailbox)}{sequence:010d}"


def pack_of(key: str) -> str | None:
    """The pack's id, or None when ``key`` is not a pack's name."""
    found = _PACK.match(key)
    return found[2] if found and found[2].startswith(found[1]) else None


def commit_of(key: str) -> tuple[UUID, int] | None:
    """Mailbox and sequence, or None when ``key`` is not a commit's name."""
    found = _COMMIT.match(key)
    mailbox = uuid_of(found[1]) if found else None
    return (mailbox, int(found[2])) if found and mailbox else None


def mailbox_key_of(key: str) -> tuple[UUID, int] | None:
    """Mailbox and version of the key, or None when ``key`` is not such a name."""
    found = _MAILBOX_KEY.match(key)
    mailbox = uuid_of(found[1]) if found else None
    return (mailbox, int(found[2])) if found and mailbox else None


def tenant_key_of(key: str) -> int | None:
    """Version of the tenant's wrapped keys, or None when ``key`` is not such a name."""
    found = _TENANT_KEY.match(key)
    return int(found[1]) if found else None


def recovery_of(key: str) -> int | None:
    """Version of the recovery copy, or None when ``key`` is not such a name."""
    found = _RECOVERY.match(key)
    return int(found[1]) if found else None


def destruction_of(key: str) -> tuple[UUID | None, bool] | None:
    """Mailbox (None: the tenant) and whether finished, or None for any other name."""
    found = _DESTRUCTION.match(key)
    if not found:
        return None
    mailbox = uuid_of(found[1]) if found[1] else None
    return None if found[1] and mailbox is None else (mailbox, found[2] == "destroyed")


def dictionary_of(key: str) -> int | None:
    """Number of the dictionary, or None when ``key`` is not such a name."""
    found = _DICTIONARY.match(key)
    return int(found[1]) if found and 1 <= int(found[1]) <= 0xFFFF_FFFF else None


def segment_of(key: str) -> tuple[UUID, str] | None:
    """Mailbox and segment, or None when ``key`` is not a segment's name."""
    found = _SEGMENT.match(key)
    mailbox = uuid_of(found[1]) if found else None
    return (mailbox, found[2]) if found and mailbox else None


def is_known(key: str) -> bool:
    """Whether a tenant's object has a name that the format gives."""
    readings = (
        pack_of,
        commit_of,
        segment_of,
        dictionary_of,
        tenant_key_of,
        mailbox_key_of,
        recovery_of,
        destruction_of,
    )
    return any(reading(key) is not None for reading in readings)


def uuid_of(text: str) -> UUID | None:
    """The id, or None for anything but its canonical spelling."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None


def marker(repository_id: UUID) -> bytes:
    """The content of ``stowage.json``; the one spelling that a reader accepts."""
    check = hashlib.sha256(f"stowage/{FORMAT}/{repository_id}".encode()).hexdigest()
    content = {"format": FORMAT, "repository": str(repository_id), "check": check}
    return json.dumps(content, indent=2).encode() + b"\n"


def read_marker(content: bytes) -> UUID:
    """The repository's id. Raises UnsupportedFormat and Damaged."""
    try:
        fields = json.loads(content)
        version, repository_id = int(fields["format"]), UUID(fields["repository"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(MARKER, f"can't be read: {error}") from error
    if version > FORMAT:
        raise UnsupportedFormat(MARKER, f"format {version}, this version reads {FORMAT}")
    if content != marker(repository_id):
        raise Damaged(MARKER, "the check does not match the content")
    return repository_id
