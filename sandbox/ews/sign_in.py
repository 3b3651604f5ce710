"""Who calls the server: Basic, NTLM on a connection, or a token of the sandbox's authority."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass

from sandbox.ews.ntlm import (
    NtlmError,
    message_type,
    read_authenticate,
    write_challenge,
)
from sandbox.http import Connection, HttpError, Request, Response
from sandbox.records import NotFound
from sandbox.store import Store
from sandbox.tokens import Authority

APPLICATION_ROLE = "full_access_as_app"
"""The application permission that Exchange asks for; it includes impersonation."""

_CHALLENGES = 'NTLM, Basic realm="127.0.0.1"'


@dataclass(frozen=True, slots=True)
class ServerCaller:
    """``address`` is the account's own, with or without a mailbox behind it."""

    directory: str
    address: str
    impersonates: bool


class Refused(Exception):
    """Nobody is signed in; ``response`` says how to."""

    def __init__(self, challenge: str = _CHALLENGES) -> None:
        super().__init__("not signed in")
        self.response = Response(401, [], {"WWW-Authenticate": challenge})


class SignIn:
    def __init__(self, store: Store, authority: Authority) -> None:
        self._store = store
        self._authority = authority

    def caller(self, request: Request) -> ServerCaller:
        """Who sent a request. Raises Refused."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic":
                return self._basic(value)
            case "ntlm":
                return self._ntlm(value, request.connection)
            case "bearer":
                return self._bearer(request)
            case "" if request.connection.account:
                return self._account(request.connection.account)
        raise Refused

    def _basic(self, value: str) -> ServerCaller:
        name, _, password = _decoded(value).decode("utf-8", "replace").partition(":")
        try:
            account = self._store.server_account(name)
        except NotFound:
            raise Refused from None
        if not secrets.compare_digest(account.password.encode(), password.encode()):
            raise Refused
        return self._account(name)

    def _ntlm(self, value: str, connection: Connection) -> ServerCaller:
        token = _decoded(value)
        challenge, connection.challenge, connection.account = connection.challenge, b"", ""
        try:
            if message_type(token) == 1:
                connection.challenge = secrets.token_bytes(8)
                answer = write_challenge(connection.challenge, "EXCHANGE")
                raise Refused(f"NTLM {base64.b64encode(answer).decode('ascii')}")
            proof = read_authenticate(token)
            name = f"{proof.domain}\\{proof.user}" if proof.domain else proof.user
            account = self._store.server_account(name)
        except (NtlmError, NotFound):
            raise Refused from None
        if not challenge or not proof.holds(account.password, challenge):
            raise Refused
        connection.account = name
        return self._account(name)

    def _bearer(self, request: Request) -> ServerCaller:
        try:
            caller = self._authority.caller(request)
        except HttpError:
            raise Refused('Bearer client_id="00000002-0000-0ff1-ce00-000000000000"') from None
        if APPLICATION_ROLE not in caller.roles:
            raise HttpError(403, "Forbidden", f"The token has no role {APPLICATION_ROLE}.")
        return ServerCaller(caller.directory, "", impersonates=True)

    def _account(self, name: str) -> ServerCaller:
        account = self._store.server_account(name)
        domain = self._store.directory(account.directory).domain
        return ServerCaller(account.directory, f"{account.name}@{domain}", account.impersonates)


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise Refused from None
