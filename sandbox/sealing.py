"""Tokens that carry what they stand for and that nobody else can make."""

from __future__ import annotations

import base64
import hashlib
import hmac

_SEAL = 16


class Sealed:
    """``secret`` is hexadecimal, as ``Store.secret`` gives it."""

    def __init__(self, secret: str) -> None:
        self._key = bytes.fromhex(secret)

    def write(self, text: bytes) -> str:
        return base64.urlsafe_b64encode(self._seal(text) + text).decode().rstrip("=")

    def read(self, token: str) -> bytes:
        """Raises ValueError for a token that is damaged or not ours."""
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if not hmac.compare_digest(self._seal(raw[_SEAL:]), raw[:_SEAL]):
            raise ValueError("not ours")
        return raw[_SEAL:]

    def _seal(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, hashlib.sha256)[:_SEAL]
