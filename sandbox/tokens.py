"""The token endpoint: OpenID configuration and client credentials with a signed assertion.

As Microsoft Entra's (v2.0): an application proves itself with a JWT signed by the key of its
registered certificate (RFC 7523), and gets an access token that names its directory and roles.
Errors carry Entra's numbers (AADSTS…), which a wizard shows to people.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sandbox.http import HttpError, Request, Response, json_response
from sandbox.records import Application, NotFound
from sandbox.store import Store

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CLOCK_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, as its access token says."""

    directory: str
    client_id: str
    roles: frozenset[str]


class _Refused(Exception):
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error


class Authority:
    """Issues and checks tokens. ``lifetime`` is an access token's, in seconds."""

    def __init__(self, store: Store, lifetime: int = 3599) -> None:
        self.lifetime = lifetime
        self._store = store
        self._secret = store.secret("token key")

    def configuration(self, request: Request, tenant: str) -> Response:
        """The OpenID configuration of a tenant, or Entra's error for an unknown one."""
        try:
            directory = self._store.directory(tenant).id
        except NotFound:
            return _refusal(_unknown_tenant(tenant))
        root = f"{request.base_url}/{directory}"
        return json_response(
            {
                "issuer": f"{root}/v2.0",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
            }
        )

    def token(self, request: Request, tenant: str, ahead: int = 0) -> Response:
        """An access token for an assertion that holds, else an OAuth error.

        ``ahead``: how many seconds the clock that it is checked by is ahead.
        """
        form = {
            name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()
        }
        try:
            application = self._prove(request, tenant, form, time.time() + ahead)
        except _Refused as refused:
            return _refusal(refused)
        issued = int(time.time())
        claims = {
            "aud": request.base_url,
            "iss": f"{request.base_url}/{application.directory}/",
            "iat": issued,
            "nbf": issued,
            "exp": issued + self.lifetime,
            "tid": application.directory,
            "appid": application.id,
            "roles": list(application.roles),
        }
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        body = {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}
        return json_response(body, headers={"Cache-Control": "no-store"})

    def caller(self, request: Request) -> Caller:
        """Who calls. Raises HttpError 401 for a missing, foreign, damaged or expired token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise HttpError(401, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=["HS256"], audience=request.base_url
            )
        except jwt.ExpiredSignatureError:
            message = "Lifetime validation failed, the token is expired."
            raise HttpError(401, "InvalidAuthenticationToken", message) from None
        except jwt.InvalidTokenError as error:
            raise HttpError(401, "InvalidAuthenticationToken", str(error)) from None
        return Caller(claims["tid"], claims["appid"], frozenset(claims["roles"]))

    def _prove(
        self, request: Request, tenant: str, form: dict[str, str], now: float
    ) -> Application:
        try:
            directory = self._store.directory(tenant)
        except NotFound:
            raise _unknown_tenant(tenant) from None
        if form.get("grant_type") != "client_credentials":
            raise _Refused(400, "unsupported_grant_type", "AADSTS70003: unsupported grant type.")
        if form.get("client_assertion_type") != _ASSERTION_TYPE or "client_assertion" not in form:
            raise _Refused(401, "invalid_client", "AADSTS7000218: a client assertion is required.")
        if form.get("scope") != f"{request.base_url}/.default":
            raise _Refused(400, "invalid_scope", "AADSTS70011: the scope is not valid.")
        client_id = form.get("client_id", "")
        try:
            application = self._store.application(directory.id, client_id)
        except NotFound:
            message = f"AADSTS700016: Application '{client_id}' was not found in the directory."
            raise _Refused(400, "unauthorized_client", message) from None
        endpoint = f"{request.base_url}/{directory.id}/oauth2/v2.0/token"
        _verify_assertion(form["client_assertion"], application, endpoint, now)
        return application


def _verify_assertion(assertion: str, application: Application, endpoint: str, now: float) -> None:
    certificate = x509.load_pem_x509_certificate(application.certificate.encode("ascii"))
    try:
        header = jwt.get_unverified_header(assertion)
        # Entra takes it with and without padding; msal sends it with.
        if str(header.get("x5t#S256")).rstrip("=") != _thumbprint(certificate):
            raise jwt.InvalidKeyError("the certificate is not registered")
        claims = jwt.decode(
            assertion,
            certificate.public_key(),  # type: ignore[arg-type]
            algorithms=["PS256", "RS256"],
            audience=endpoint,
            options={
                "require": ["exp", "iss", "sub", "aud", "jti"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        if not claims["iss"] == claims["sub"] == application.id:
            raise jwt.InvalidIssuerError("issuer and subject must be the application")
    except jwt.PyJWTError as error:
        message = f"AADSTS700027: Client assertion failed validation: {error}"
        raise _Refused(401, "invalid_client", message) from None
    starts = max(claims.get("nbf", 0), claims.get("iat", 0)) - _CLOCK_SKEW_SECONDS
    if not starts <= now <= claims["exp"] + _CLOCK_SKEW_SECONDS:
        message = "AADSTS700024: Client assertion is not within its valid time range."
        raise _Refused(401, "invalid_client", message)


def _thumbprint(certificate: x509.Certificate) -> str:
    """As in the header ``x5t#S256`` (RFC 7515, 4.1.8)."""
    digest = certificate.fingerprint(hashes.SHA256())
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def _unknown_tenant(tenant: str) -> _Refused:
    return _Refused(400, "invalid_tenant", f"AADSTS90002: Tenant '{tenant}' not found.")


def _refusal(refused: _Refused) -> Response:
    body = {"error": refused.error, "error_description": str(refused)}
    return json_response(body, refused.status, {"Cache-Control": "no-store"})
