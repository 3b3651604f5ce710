"""Which servers an organization may name: Microsoft's, and those that the operator allowed.

Without this a tenant could make the portal send requests to any address it can reach.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from django.conf import settings

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
    allowed = (*MICROSOFT, *settings.ALLOWED_SERVERS)
    if not any(_matches(host, port, pattern) for pattern in allowed):
        return (
            f"{host}:{port} is not a server of Microsoft's, and your provider has not allowed it."
        )
    return ""


def _matches(host: str, port: int, pattern: str) -> bool:
    """``pattern`` is ``host`` (port 443), ``host:port`` or ``host:*``; ``*`` in a host is any."""
    name, colon, wanted = pattern.lower().rpartition(":")
    if not colon or wanted.endswith("]"):
        name, wanted = pattern.lower(), str(_HTTPS)
    return fnmatchcase(host, name.strip("[]")) and wanted in ("*", str(port))
