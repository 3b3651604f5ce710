"""Values sealed in the database: a tenant's with its own key, the service's with its secret key.

A tenant's wrapped form is the repository's (``backups.repository.keys`` reads the same bytes), so
that the copy beside the backups needs neither this database nor this module.
"""

from __future__ import annotations

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_NONCE = 12


class SecretUnreadable(ValueError):
    """The sealed value is damaged, or was sealed with another key or for another place."""


def seal(key: bytes, context: str, value: bytes) -> bytes:
    """AES-256-GCM under a key derived for fields; ``context`` names tenant, table, row, column."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_field_key(key)).encrypt(nonce, value, context.encode())


def unseal(key: bytes, context: str, sealed: bytes) -> bytes:
    try:
        return AESGCM(_field_key(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except InvalidTag as error:
        raise SecretUnreadable(f"{context} cannot be read with this key") from error


def seal_for_service(context: str, value: bytes) -> bytes:
    """Like ``seal``, for what belongs to no tenant; the key comes from ``PORTAL_SECRET_KEY``.

    With another secret key the value is lost (SecretUnreadable): it has to be entered again.
    """
    return seal(_service_key(settings.SECRET_KEY), context, value)


def unseal_for_service(context: str, sealed: bytes) -> bytes:
    return unseal(_service_key(settings.SECRET_KEY), context, sealed)


def _service_key(secret_key: str) -> bytes:
    info = b"stowage service secrets 1"
    return HKDF(SHA256(), 32, salt=None, info=info).derive(secret_key.encode())


@lru_cache(maxsize=256)
def _field_key(tenant_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"stowage field secrets 1").derive(tenant_key)
