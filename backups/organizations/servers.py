"""Which servers an organization may name, so that a tenant can't reach the provider's network.

Graph and sign-in: Microsoft's, and those that the operator allowed. Exchange Server and its proxy:
any host with public addresses, and those that the operator allowed. What is checked is the address
that is then connected to: a name that says something else a moment later gains nothing.

``PORTAL_ALLOWED_SERVERS`` holds names (``host``, ``host:port``, ``host:*``, ``*`` for any part of
a host) and ranges of addresses (``10.20.0.0/16``), each for one tenant with ``<short name>=``
before it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from django.conf import settings

from backups.sources import Unavailable
from backups.sources.addresses import addresses_of
from tenants.isolation.scope import require_tenant
from tenants.models import Tenant

MICROSOFT = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
)
"""Microsoft's national clouds (Microsoft Graph documentation, "National cloud deployments")."""
_HTTPS = 443
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def server_problem(url: str) -> str:
    """Why an organization may not use this address, in a sentence; "" when it may."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _HTTPS
    except ValueError:
        return "This is not an address."
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "https" or not host or extra:
        return "Write an https address without a path, such as https://graph.microsoft.com."
    if not _named(host, port, (*MICROSOFT, *_allowed())):
        return (
            f"{host}:{port} is not a server of Microsoft's, and your provider has not allowed it."
        )
    return ""


def ews_problem(url: str) -> str:
    """Why Exchange Web Services may not be reached at this address, in a sentence, or ""."""
    return _reach_problem(url, ("https",), "https://mail.example.com/EWS/Exchange.asmx")


def proxy_problem(url: str) -> str:
    """Why this web proxy may not be used, in a sentence, or ""."""
    return _reach_problem(url, ("http", "https"), "http://proxy.example.com:3128")


class Reach:
    """The addresses under which a tenant's servers may be connected to."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed

    def __call__(self, host: str, port: int) -> list[str]:
        """Every address of a host. Raises Unavailable when it has none, or one that is not for
        this tenant: a name that answers with both has no business here."""
        try:
            found = addresses_of(host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"{host} has no address") from error
        if not _named(host.rstrip(".").lower(), port, self._allowed):
            for address in found:
                if not (_is_public(address) or self._ranges(address)):
                    raise Unavailable(
                        f"{host} is in a private network ({address}), and your provider has not"
                        " allowed it"
                    )
        return found

    def _ranges(self, address: str) -> bool:
        at = ipaddress.ip_address(address.partition("%")[0])
        return any(at in network for network in _networks(self._allowed))


def reach() -> Reach:
    """What the current tenant may connect to."""
    return Reach(_allowed())


def _reach_problem(url: str, schemes: tuple[str, ...], example: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (_HTTPS if "https" in schemes else 80)
    except ValueError:
        return "This is not an address."
    if parts.scheme not in schemes or not host or parts.query or parts.fragment:
        return f"Write an address such as {example}."
    if "@" in parts.netloc:
        return "Write the address without a user."
    try:
        reach()(host, port)
    except Unavailable as error:
        return f"{error}."
    return ""


def _allowed() -> tuple[str, ...]:
    """What the operator allowed everybody, and the current tenant."""
    entries = []
    slug: str | None = None
    for entry in settings.ALLOWED_SERVERS:
        owner, equals, pattern = entry.rpartition("=")
        if equals and slug is None:
            slug = Tenant.objects.get(pk=require_tenant()).slug
        if not equals or owner == slug:
            entries.append(pattern)
    return tuple(entries)


def _networks(
    allowed: tuple[str, ...],
) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for entry in allowed:
        if "/" in entry:
            yield ipaddress.ip_network(entry)


def _is_public(address: str) -> bool:
    """Reached over the internet, whatever network this machine is in. An address of IPv6 that
    stands for one of IPv4 is taken for that."""
    at = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(at, ipaddress.IPv6Address):
        inner = [at.ipv4_mapped, at.sixtofour, *(at.teredo or ())]
        if at in _NAT64:
            inner.append(ipaddress.IPv4Address(int(at) & 0xFFFFFFFF))
        if not all(one is None or one.is_global for one in inner):
            return False
    return at.is_global and not at.is_multicast


def _named(host: str, port: int, patterns: tuple[str, ...]) -> bool:
    return any(_matches(host, port, pattern) for pattern in patterns if "/" not in pattern)


def _matches(host: str, port: int, pattern: str) -> bool:
    """``pattern`` is ``host`` (port 443), ``host:port`` or ``host:*``; ``*`` in a host is any."""
    name, colon, wanted = pattern.lower().rpartition(":")
    if not colon or wanted.endswith("]"):
        name, wanted = pattern.lower(), str(_HTTPS)
    return fnmatchcase(host, name.strip("[]")) and wanted in ("*", str(port))
