"""The certificate of a destruction: one JSON object in one spelling, and its SHA-256.

Canonical: keys sorted, no spaces, UTF-8. The audit event of the tenant names the same hash, and
events can't be changed.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from backups.destruction.models import Destruction, DestructionCertificate, DestructionPlace
from tenants.audit.services import record
from tenants.isolation.scope import APP
from tenants.models import Tenant

FINISHED = "destruction.finished"
VERSION = 1

_REMAINS_OF_ANY = (
    "Copies of the database and of the repositories that were made before are not reached by this:"
    " they hold the rows and the wrapped keys until they are deleted.",
    "A deleted file may stay on its medium until it is written over.",
)
_REMAINS_OF_A_MAILBOX = (
    "Parts that other mailboxes hold too, such as an attachment sent to many, stay readable to"
    " them alone.",
    "Parts that this mailbox alone held lie in packs as ciphertext whose keys are gone; collection"
    " deletes them once nothing else in a pack is needed.",
    "Dictionaries of the tenant may hold fragments of many mails, at most 256 KiB; they are"
    " encrypted and go with the tenant's keys.",
)


def issue(destruction: Destruction) -> DestructionCertificate:
    """Write the certificate and end the destruction, inside the tenant's scope.

    Every place must have been swept once.
    """
    now = timezone.now()
    tenant = Tenant.objects.get(pk=destruction.tenant_id)
    content = canonical(_content(destruction, tenant, now))
    digest = hashlib.sha256(content.encode()).hexdigest()
    with transaction.atomic(using=APP):
        certificate = DestructionCertificate.objects.create(
            id=destruction.pk,
            tenant_name=tenant.name,
            subject=destruction.subject,
            content=content,
            sha256=digest,
        )
        Destruction.objects.filter(pk=destruction.pk).update(finished_at=now)
        record(
            action=FINISHED,
            subject=destruction.subject,
            person_id=destruction.requested_by_id,
            certificate=str(destruction.pk),
            sha256=digest,
        )
    return certificate


def canonical(content: dict[str, object]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _content(destruction: Destruction, tenant: Tenant, now: datetime) -> dict[str, object]:
    facts, mailbox_id = destruction.facts, destruction.mailbox_id
    places = list(destruction.places.order_by("repository_id"))
    remains = _REMAINS_OF_ANY if mailbox_id is None else (*_REMAINS_OF_A_MAILBOX, *_REMAINS_OF_ANY)
    return {
        "version": VERSION,
        "certificate": str(destruction.pk),
        "tenant": {"id": str(tenant.pk), "name": tenant.name},
        "mailbox": mailbox_id and {"id": str(mailbox_id), "address": destruction.subject},
        "reason": destruction.reason,
        "requested_by": destruction.requester,
        "requested_at": _moment(destruction.requested_at),
        "finished_at": _moment(now),
        "database": {
            "keys": facts["keys"],
            "rows": facts["rows"],
            "gone_at": _moment(destruction.requested_at),
        },
        "contents": {
            name: facts[name]
            for name in ("backups", "restore_points", "item_versions", "source_bytes")
        },
        "places": [_place(place) for place in places],
        "remains": list(remains),
    }


def _place(place: DestructionPlace) -> dict[str, object]:
    return {
        "repository": str(place.repository_id),
        "share": place.allocation,
        "objects": place.keys,
        "keys_gone_at": place.keys_gone_at and _moment(place.keys_gone_at),
        "unreadable": place.found,
        "still_there": place.left,
        "still_there_because": place.left_reason,
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
