"""Access tokens from Microsoft Entra: client credentials with a certificate, through msal."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import msal

from backups.sources.addresses import is_loopback, root_url, tls_context
from backups.sources.errors import NotPermitted, Unavailable

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0
_PASSING_ERRORS = frozenset({"temporarily_unavailable", "server_error"})


PUBLIC_AUTHORITIES = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
    }
)
"""Hosts that msal knows; another host is one of a test or of a private cloud."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """An application of a directory and its certificate. ``resource`` is the https root of what a
    token is for; ``trust_pem`` replaces the public roots."""

    authority: str
    resource: str
    directory: str
    client_id: str
    certificate_pem: str
    private_key_pem: str = field(repr=False)
    trust_pem: str | None = None


class _HttpClient:
    """What msal wants of an HTTP client, by httpx with the organization's trust."""

    def __init__(self, settings: SignIn) -> None:
        self._client = httpx.Client(
            verify=tls_context(settings.trust_pem),
            timeout=_TIMEOUT_SECONDS,
            trust_env=not is_loopback(settings.authority),
        )

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> httpx.Response:
        return self._client.get(url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> httpx.Response:
        # msal hands over its assertion as bytes, which httpx would send as their repr.
        form = {
            name: value.decode("ascii") if isinstance(value, bytes) else value
            for name, value in (data or {}).items()
        }
        return self._client.post(url, params=params, data=form, headers=headers)

    def close(self) -> None:
        self._client.close()


class Tokens:
    """The access token of one application in one directory, renewed as it expires."""

    def __init__(self, settings: SignIn) -> None:
        self._settings = settings
        self._http = _HttpClient(settings)
        self._lock = threading.Lock()
        self._application: msal.ConfidentialClientApplication | None = None

    def bearer(self, *, fresh: bool = False) -> str:
        """The token; ``fresh`` signs in anew.

        Raises NotPermitted with the authority's reason, Unavailable when it can't be asked.
        """
        with self._lock:
            if fresh:
                # msal keeps tokens and also refusals for a while; a new object knows neither.
                self._application = None
            return self._sign_in()

    def close(self) -> None:
        self._http.close()

    def _sign_in(self) -> str:
        scope = f"{root_url(self._settings.resource)}/.default"
        try:
            if self._application is None:
                self._application = self._make_application()
            result = self._application.acquire_token_for_client(scopes=[scope])
        except httpx.HTTPError as error:
            message = f"sign-in: the server can't be reached ({type(error).__name__})"
            raise Unavailable(message) from error
        except msal.exceptions.MsalError as error:
            raise Unavailable(f"sign-in: the server failed ({error})") from error
        except ValueError as error:
            # msal's word for a directory that the authority does not know, or an unreadable key.
            reason = str(error).partition(". ")[0]
            raise NotPermitted(f"sign-in is not possible: {reason}") from error
        if "access_token" in result:
            return str(result["access_token"])
        description = str(result.get("error_description", result.get("error", ""))).partition("\n")
        message = f"sign-in was refused: {description[0].strip()}"
        if result.get("error") in _PASSING_ERRORS:
            raise Unavailable(message)
        raise NotPermitted(message)

    def _make_application(self) -> msal.ConfidentialClientApplication:
        settings = self._settings
        authority = root_url(settings.authority)
        known = authority.removeprefix("https://") in PUBLIC_AUTHORITIES
        return msal.ConfidentialClientApplication(
            settings.client_id,
            authority=f"{authority}/{settings.directory}",
            client_credential={
                "private_key": settings.private_key_pem,
                "public_certificate": settings.certificate_pem,
            },
            http_client=self._http,
            instance_discovery=None if known else False,
        )


def roles_in(token: str) -> frozenset[str]:
    """The application permissions in a token, for showing them; none when it can't be read.

    Microsoft does not promise that a token can be read, so nothing may depend on this.
    """
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return frozenset(str(role) for role in claims.get("roles", ()))
    except (IndexError, ValueError, AttributeError, TypeError):
        logger.debug("the access token can't be read")
        return frozenset()
