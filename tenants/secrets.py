"""Keys of a tenant, and values sealed with them.

The wrapped form is the repository's (``backups.repository.keys`` reads the same bytes), so that
the copy beside the backups needs neither this database nor this module.
"""

from __future__ import annotations

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12


class SecretUnreadable(ValueError):
    """The sealed value is damaged, or was moved from another tenant or row."""


def seal(key: bytes, context: str, value: bytes) -> bytes:
    """AES-256-GCM under a key derived for fields; ``context`` names tenant, table, row, column."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_field_key(key)).encrypt(nonce, value, context.encode())


def unseal(key: bytes, context: str, sealed: bytes) -> bytes:
    try:
        return AESGCM(_field_key(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
    except InvalidTag as error:
        raise SecretUnreadable(f"{context} cannot be read with this tenant's key") from error


@lru_cache(maxsize=256)
def _field_key(tenant_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"stowage field secrets 1").derive(tenant_key)
