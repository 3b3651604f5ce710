"""Where a repository is: a path, or the URL of a prefix in an object store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .backend import Backend, FolderBackend, require_name
from .errors import RepositoryError, UnusablePlace

_DEFAULT_REGION = "us-east-1"


def open_backend(
    place: str | os.PathLike[str], credentials: Mapping[str, str] | None = None
) -> Backend:
    """A path, ``file:///path``, or ``s3://bucket/prefix?endpoint=…&region=…``.

    ``endpoint`` is a whole URL and only needed outside Amazon's cloud. ``credentials``:
    ``access_key_id``, ``secret_access_key`` and perhaps ``session_token``; without them the
    environment's ``AWS_ACCESS_KEY_ID`` and so on. Looks at nothing. Raises UnusablePlace.
    """
    text = os.fspath(place)
    if "://" not in text:
        return FolderBackend(text)
    try:
        url = urlsplit(text)
    except ValueError as error:
        raise UnusablePlace(f"{error}") from error
    if url.scheme == "file" and url.netloc in ("", "localhost") and not url.query:
        return FolderBackend(unquote(url.path))
    if url.scheme == "s3":
        return _bucket(url, credentials)
    raise UnusablePlace(f"{url.scheme}://: only folders, file:/// and s3:// are known")


def _bucket(url: SplitResult, credentials: Mapping[str, str] | None) -> Backend:
    # Folders need none of it, and the command and the portal are quicker without.
    from .objects import ObjectStoreBackend, credentials_from_environment

    if "@" in url.netloc:
        raise UnusablePlace("s3://: credentials do not belong into a URL, which gets written down")
    if not url.netloc or ":" in url.netloc:
        raise UnusablePlace("s3://: a bucket is wanted after the slashes, and no port")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"endpoint", "region"})
    if unknown or url.fragment:
        raise UnusablePlace(f"s3://{url.netloc}: unknown: {', '.join(unknown) or url.fragment}")
    prefix = unquote(url.path).strip("/")
    region = options.get("region") or _DEFAULT_REGION
    return ObjectStoreBackend.s3(
        url.netloc,
        _prefix(prefix),
        endpoint=_endpoint(options.get("endpoint"), region),
        region=region,
        credentials=credentials_from_environment() if credentials is None else credentials,
    )


def _prefix(prefix: str) -> str:
    if prefix:
        try:
            require_name(prefix)
        except RepositoryError as error:
            raise UnusablePlace(
                f"s3://: prefix {prefix!r}: small letters, digits, . _ - and /"
            ) from error
    return prefix


def _endpoint(endpoint: str | None, region: str) -> str:
    if endpoint is None:
        return f"https://s3.{region}.amazonaws.com"
    try:
        url = urlsplit(endpoint)
        sound = url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc
    except ValueError:
        sound = False
    if not sound or "?" in endpoint or "#" in endpoint:
        raise UnusablePlace("s3://: endpoint must be like https://host or http://host:port")
    return endpoint.rstrip("/")
