"""A small key management service: one key that never leaves it."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PATH = "tests.engine.kms:service"


class Service:
    id = "kms://test/key/1"

    def __init__(self) -> None:
        self.asked = 0
        self.is_down = False
        self._key = AESGCM(b"k" * 32)

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        self._answer()
        return b"n" * 12 + self._key.encrypt(b"n" * 12, plaintext, context)

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes | None:
        self._answer()
        try:
            return self._key.decrypt(ciphertext[:12], ciphertext[12:], context)
        except InvalidTag:
            return None

    def _answer(self) -> None:
        self.asked += 1
        if self.is_down:
            raise ConnectionError("connection refused")


THE_SERVICE = Service()


def service() -> Service:
    return THE_SERVICE


def broken() -> object:
    raise RuntimeError("no credentials")
