"""API keys: made, shown once, found again by their hash, revoked."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from portal.ids import uuid7
from tenants.isolation.scope import OPERATOR
from tenants.models import ApiKey

log = logging.getLogger(__name__)

_FORM = re.compile(r"stw_([0-9a-f]{12})_[0-9a-f]{64}", re.ASCII)
_USE_NOTED_EVERY = timedelta(minutes=1)


class KeyRefused(Exception):
    """The key opens nothing; the message says why, to whoever holds it."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its text, which exists only here: the database keeps the hash."""

    key: ApiKey
    text: str


def create_key(
    *,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
    person_id: UUID | None = None,
) -> IssuedKey:
    """Make a key of the provider. It has no tenant, so the log is where its making is told."""
    prefix = secrets.token_hex(6)
    text = f"stw_{prefix}_{secrets.token_hex(32)}"
    key = ApiKey(
        id=uuid7(),
        name=name,
        prefix=prefix,
        hash=_hash(text),
        scopes=sorted(str(scope) for scope in scopes),
        expires_at=expires_at,
        created_by_id=person_id,
    )
    key.save(using=OPERATOR, force_insert=True)
    log.info("API key %s was created by %s with %s", prefix, person_id, ", ".join(key.scopes))
    return IssuedKey(key, text)


def revoke_key(*, key: ApiKey, person_id: UUID | None = None) -> None:
    """The next request with it is refused. A key that is revoked already stays as it is."""
    revoked = ApiKey.objects.using(OPERATOR).filter(pk=key.pk, revoked_at=None)
    if revoked.update(revoked_at=timezone.now()):
        log.info("API key %s was revoked by %s", key.prefix, person_id)


def find_key(text: str) -> ApiKey:
    """The valid key of this text, with its use noted. Raises KeyRefused.

    256 random bits need no slow hash; the comparison takes the same time for every wrong secret.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise KeyRefused("This is not an API key.")
    key = ApiKey.objects.using(OPERATOR).filter(prefix=form[1]).first()
    if key is None or not hmac.compare_digest(bytes(key.hash), _hash(text)):
        raise KeyRefused("There is no such API key.")
    now = timezone.now()
    if key.revoked_at is not None:
        raise KeyRefused("The API key was revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyRefused("The API key has expired.")
    _note_use(key, now)
    return key


def _note_use(key: ApiKey, now: datetime) -> None:
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
    ApiKey.objects.using(OPERATOR).filter(long_ago, pk=key.pk).update(last_used_at=now)


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()
