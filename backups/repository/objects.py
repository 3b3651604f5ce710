"""Repositories in an object store: S3 and what speaks its protocol, through ``obstore``.

What differs from a folder is what the network does. An answer can get lost after the work is done,
so a creation that failed is looked at before it is tried again; a store may keep less than it was
sent, so the size is asked for before anything is called durable; and a store that takes conditions
lightly would overwrite, so it has to refuse one overwrite before a repository is made in it.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from .backend import Content, require_name
from .errors import (
    AlreadyExists,
    Damaged,
    NoSpace,
    NotFound,
    Refused,
    RepositoryError,
    Unavailable,
    UnusablePlace,
)
from .layout import MARKER, TENANTS

if TYPE_CHECKING:  # names that the library has for type checkers only
    from obstore import GetOptions
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Credential

_STATUS = re.compile(r"status code: (\d{3})")
_REFUSALS = frozenset({"401", "403", "405", "501"})
_FULL = (
    "status code: 507",
    "QuotaExceeded",  # Ceph's object gateway answers 403 with it, MinIO a code that ends with it
    "StorageFull",  # MinIO
)
_LONGEST_REASON = 400
_chance = secrets.SystemRandom()
_owner: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try. The longest pause doubles each time, the real one is drawn."""

    attempts: int = 7
    first_pause: float = 0.5
    longest_pause: float = 15.0
    transfer: float = 900.0
    """Seconds for one request with its content: a pack of 32 MiB on a line of 300 kbit/s."""
    silence: float = 60.0
    """Seconds without a byte of the answer while reading."""

    def pauses(self) -> Iterator[float]:
        for number in range(self.attempts):
            yield _chance.uniform(0, min(self.longest_pause, self.first_pause * 2**number))


class ObjectStoreBackend:
    """A prefix in a bucket. The store must honour ``If-None-Match: *`` when it creates objects.

    As with a folder, a place without ``stowage.json`` is Unavailable for everything but creating
    that file: the wrong bucket must not look like an empty repository.

    A lock on objects needs nothing here as long as the bucket's default retention sets it. Dates
    of their own for single objects belong into ``put_immutable``, the one place that creates.
    """

    def __init__(
        self, place: str, once: ObjectStore, patient: ObjectStore, patience: Patience
    ) -> None:
        """``once`` makes no second attempt by itself, ``patient`` does; ``place`` is for people."""
        self.place = place
        self._once = once
        self._patient = patient
        self._patience = patience
        self._marker_seen = False

    @classmethod
    def s3(
        cls,
        bucket: str,
        prefix: str,
        *,
        endpoint: str,
        region: str,
        credentials: Mapping[str, str],
        patience: Patience | None = None,
    ) -> ObjectStoreBackend:
        """``credentials``: ``access_key_id``, ``secret_access_key``, ``session_token`` if any."""
        patience = patience or Patience()
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=10),
            "timeout": timedelta(seconds=patience.transfer),
        }

        def store(retries: int, options: ClientConfig) -> S3Store:
            return S3Store(
                bucket,
                prefix=prefix or None,
                endpoint=endpoint,
                aws_endpoint_url_s3=endpoint,  # or the environment's would win
                region=region,
                virtual_hosted_style_request=False,
                s3_express=False,
                credential_provider=_signer(credentials),
                skip_signature=False,
                unsigned_payload=False,
                conditional_put="etag",
                checksum_algorithm="SHA256",
                disable_bulk_delete=True,
                client_options=options,
                retry_config=_retries(patience, retries),
            )

        # While content goes up there is no answer to wait for: silence is no sign there.
        listening: ClientConfig = {**options, "read_timeout": timedelta(seconds=patience.silence)}
        place = f"s3://{bucket}/{prefix}".rstrip("/")
        return cls(place, store(0, options), store(patience.attempts - 1, listening), patience)

    def prepare(self) -> None:
        with self._answers(MARKER):
            lost = any(self._pages(TENANTS)) and self._size(MARKER) is None
        if lost:
            raise RepositoryError(f"{self.place}: tenants' objects but no {MARKER}; bring it back")

    def put_immutable(self, key: str, data: Content) -> None:
        require_name(key)
        if key == MARKER:
            self._create_marker(data)
            return
        if not self._marker_seen:
            self._require_marker()
        self._create(key, data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        require_name(key)
        if length is not None and length <= 0:
            self._require_reach(key, offset, length)
            return b""
        try:
            with self._answers(key):
                found = obstore.get(self._patient, key, options=_range(offset, length))
                size, content = found.meta["size"], bytes(found.bytes())
        except Unavailable:
            if offset:  # past the end there is no answer but an error
                self._require_reach(key, offset, length)
            raise
        if len(content) != (size - offset if length is None else length):
            self._require_reach(key, offset, length)
            raise Damaged(key, f"too short: ends at {offset + len(content)} while being read")
        return content

    def list(self, prefix: str) -> Iterator[str]:
        self._require_marker()
        return (key for key, _ in self._listed(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        self._require_marker()
        return self._listed(prefix)

    def folders(self, prefix: str) -> Sequence[str]:
        self._require_marker()
        with self._answers(prefix):
            found = obstore.list_with_delimiter(self._patient, prefix)["common_prefixes"]
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except NotFound:
            return False
        return True

    def size(self, key: str) -> int:
        require_name(key)
        with self._answers(key):
            return obstore.head(self._patient, key)["size"]

    def delete(self, key: str) -> None:
        """Where versions are kept, the object goes from sight and its bytes stay until they may."""
        # S3 says yes to the deletion of what was never there.
        self.size(key)
        self._remove(key)

    def free_bytes(self) -> int | None:
        return None

    def _create_marker(self, data: Content) -> None:
        if self._size(MARKER) is not None:
            raise AlreadyExists(MARKER)
        self._create(MARKER, data)
        # The same bytes again: a store that does not mind conditions does no harm with them.
        try:
            with self._answers(MARKER):
                obstore.put(self._patient, MARKER, bytes(data), mode="create", use_multipart=False)
        except AlreadyExists:
            self._marker_seen = True
            return
        self._remove(MARKER)
        reason = (
            "this store overwrites objects in spite of If-None-Match; it can't hold a repository"
        )
        raise UnusablePlace(f"{self.place}: {reason}")

    def _create(self, key: str, data: Content) -> None:
        failure = Unavailable(f"{self._named(key)}: never tried")
        for number, pause in enumerate(self._patience.pauses()):
            try:
                with self._answers(key):
                    obstore.put(self._once, key, data, mode="create", use_multipart=False)
                kept = self._size(key)
                if kept == len(data):
                    return
                failure = Unavailable(f"{self._named(key)}: {len(data)} bytes sent, {kept} kept")
            except AlreadyExists:
                # S3 says so, with 409, even while another request for the name is under way.
                if number == 0 and self._size(key) is not None:
                    raise
                failure = Unavailable(f"{self._named(key)}: is being written by another request")
            except (Refused, NoSpace):
                raise
            except Unavailable as error:
                failure = error
            time.sleep(pause)
            if self._landed(key, data):
                return
        raise failure

    def _landed(self, key: str, data: Content) -> bool:
        """Whether an attempt that seemed to fail did its work. Raises AlreadyExists.

        What was cut off on its way is removed: nobody else can have made it, or may rely on it.
        """
        if self._size(key) is None:
            return False
        stored = self.get(key)
        if stored == data:
            return True
        if len(stored) < len(data) and memoryview(data)[: len(stored)] == stored:
            self._remove(key)
            return False
        raise AlreadyExists(key)

    def _remove(self, key: str) -> None:
        with self._answers(key):
            obstore.delete(self._patient, key)

    def _require_reach(self, key: str, offset: int, length: int | None) -> None:
        size = self.size(key)
        wanted = size - offset if length is None else length
        if wanted < 0 or offset + wanted > size:
            reason = f"{wanted} bytes at {offset} wanted, there are only {size}"
            raise Damaged(key, f"too short: {reason}")

    def _listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        folder, _, start = prefix.rpartition("/")
        for key, size in self._pages(folder):
            if start == "" or key.startswith(prefix):
                yield key, size

    def _pages(self, folder: str) -> Iterator[tuple[str, int]]:
        last = ""
        with self._answers(folder):
            for page in obstore.list(self._patient, folder or None, chunk_size=1000):
                for found in page:
                    key = found["path"]
                    if key <= last:
                        reason = f"the listing goes back from {last} to {key}"
                        raise Unavailable(f"{self.place}: {reason}")
                    last = key
                    yield key, found["size"]

    def _size(self, key: str) -> int | None:
        """None when there is no such object, with or without a marker."""
        with self._answers(key):
            try:
                return obstore.head(self._patient, key)["size"]
            except FileNotFoundError:
                return None

    def _require_marker(self) -> None:
        if self._size(MARKER) is None:
            reason = f"no {MARKER} there; is it the right bucket and prefix?"
            raise Unavailable(f"{self.place}: {reason}")
        self._marker_seen = True

    def _named(self, key: str) -> str:
        return f"{self.place}/{key}"

    @contextmanager
    def _answers(self, key: str) -> Iterator[None]:
        """What the store answers to a request for ``key``, as errors of this room."""
        _require_own_process()
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise _translated(error, self.place) from error
            if key != MARKER:
                self._require_marker()
            raise NotFound(key) from error
        except AlreadyExistsError as error:
            raise AlreadyExists(key) from error
        except BaseError as error:
            raise _translated(error, self._named(key)) from error


def _range(offset: int, length: int | None) -> GetOptions:
    if length is not None:
        return {"range": (offset, offset + length)}
    return {"range": {"offset": offset}} if offset else {}


def _signer(credentials: Mapping[str, str]) -> Callable[[], S3Credential]:
    """A callback, because what is given in words gets mixed with the environment's."""
    try:
        key, secret = credentials["access_key_id"], credentials["secret_access_key"]
    except KeyError as error:
        raise UnusablePlace(f"credentials for the object store: no {error.args[0]}") from error
    token = credentials.get("session_token")

    def sign() -> S3Credential:
        return {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": token,
            "expires_at": None,
        }

    return sign


def _retries(patience: Patience, retries: int) -> RetryConfig:
    return {
        "max_retries": retries,
        "backoff": {
            "init_backoff": timedelta(seconds=patience.first_pause),
            "max_backoff": timedelta(seconds=patience.longest_pause),
        },
    }


def _translated(error: Exception, place: str) -> Unavailable:
    told = str(error).partition("Debug source:")[0]
    status = _STATUS.search(told)
    kind: type[Unavailable] = Unavailable
    if any(sign in told for sign in _FULL):
        kind = NoSpace
    elif status is not None and status[1] in _REFUSALS:
        kind = Refused
    return kind(f"{place}: {' '.join(told.split())[:_LONGEST_REASON]}")


def _require_own_process() -> None:
    """The library's threads do not survive a fork: a child would wait for them for ever."""
    global _owner
    if _owner is None:
        _owner = os.getpid()
    elif _owner != os.getpid():
        reason = "an object store was used before this process was forked from another"
        raise RepositoryError(f"{reason}; use it only in processes that are not forked any more")


def credentials_from_environment() -> dict[str, str]:
    """``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, where set."""
    names = ("access_key_id", "secret_access_key", "session_token")
    return {name: value for name in names if (value := os.environ.get(f"AWS_{name.upper()}"))}
