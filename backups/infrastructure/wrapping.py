"""What wraps the tenants' keys: the root key's file, or a key service that settings name."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

from backups.repository import KeyService, RepositoryError, RootKeyError, ServiceKey, Unavailable

KEPT_SECONDS = 600.0
"""So long what the service has decrypted is used again: every job and every page asks."""
KEPT = 1024
PAUSE_SECONDS = 10.0
"""So long a service that has failed is not asked again; whoever needs it fails at once."""

Clock = Callable[[], float]
Answer = TypeVar("Answer")


class KeyServiceDown(Unavailable):
    """The key service does not answer: nothing of any tenant can be opened meanwhile."""


class PatientService:
    """A key service that is asked no more than needed.

    Whatever the service raises comes out as KeyServiceDown.
    """

    def __init__(self, service: KeyService, clock: Clock = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._kept: OrderedDict[tuple[bytes, bytes], tuple[float, bytes]] = OrderedDict()
        self._failed: tuple[float, str] | None = None

    @property
    def id(self) -> str:
        return self._service.id

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        return self._ask(lambda: self._service.encrypt(plaintext, context))

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes | None:
        at, known = self._kept.get((ciphertext, context), (0.0, b""))
        if known and self._clock() - at < KEPT_SECONDS:
            return known
        found = self._ask(lambda: self._service.decrypt(ciphertext, context))
        if found:
            self._kept[ciphertext, context] = (self._clock(), found)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        if self._failed is not None and self._clock() - self._failed[0] < PAUSE_SECONDS:
            raise KeyServiceDown(self._failed[1])
        try:
            answer = question()
        except Exception as error:
            reason = f"the key service {self.id} does not answer: {error or type(error).__name__}"
            self._failed = (self._clock(), reason)
            raise KeyServiceDown(reason) from error
        self._failed = None
        return answer


def service_key(path: str, variable: str = "PORTAL_KEY_SERVICE") -> ServiceKey:
    """The service that ``package.module:factory`` gives when it is called without arguments.

    Raises RootKeyError, naming ``variable``.
    """
    module, _, factory = path.partition(":")
    try:
        service = getattr(import_module(module), factory)()
        # Its id is asked for here, so that what is no service is found out at the start.
        name = str(service.id)
    except RepositoryError as error:
        raise RootKeyError(f"{variable}: {path}: {error}") from error
    except Exception as error:
        kind = type(error).__name__
        raise RootKeyError(f"{variable}: {path} gives no key service: {kind}: {error}") from error
    if not name:
        raise RootKeyError(f"{variable}: {path}: the service does not say the id of its key")
    return ServiceKey(PatientService(service))
