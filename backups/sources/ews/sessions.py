"""HTTP sessions with an organization's own trust, proxy and sign-in.

exchangelib keeps adapters, proxies and credentials in globals of its classes; a service for many
organizations can't. What is taken from it is how it signs in.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import certifi
import requests
from exchangelib.transport import BASIC, NTLM, get_auth_instance  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util.connection import create_connection

from backups.sources.addresses import Resolve, is_loopback, tls_context
from backups.sources.ews.settings import Auth, EwsSettings
from backups.sources.tokens import Tokens

AT_ONCE = 4
"""Connections at once. Exchange allows 27 per account unless its policy says otherwise."""


class _Adapter(HTTPAdapter):
    """One connection, verified against given roots alone, to an address that was resolved for it.

    NTLM signs in a connection, so a session must not have two.
    """

    def __init__(self, settings: EwsSettings, context: ssl.SSLContext) -> None:
        self._context = context
        self._pools = _pools(settings.resolve)
        self._own_proxy = settings.proxy_url is not None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: object
    ) -> None:
        self.poolmanager = PoolManager(
            connections, maxsize=maxsize, block=block, ssl_context=self._context
        )
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        made: ProxyManager = super().proxy_manager_for(proxy, ssl_context=self._context, **options)
        if self._own_proxy:
            made.pool_classes_by_scheme = self._pools
        return made

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: object, cert: object = None
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Without the roots that the environment may name."""
        made: tuple[dict[str, object], dict[str, object]] = (
            super().build_connection_pool_key_attributes(request, True)
        )
        return made

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """The context verifies; requests would add the public roots to it."""


def _pools(resolve: Resolve) -> dict[str, type[HTTPConnectionPool]]:
    """Pools whose connections go to the addresses that ``resolve`` gives, and to no other: a name
    is not asked for a second time."""

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            try:
                addresses = resolve(self.host, self.port)
                return _connected(self, addresses)
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return {"https": Pool}


def _connected(connection: HTTPSConnection, addresses: Sequence[str]) -> socket.socket:
    """Raises OSError, that of the last address."""
    failure = OSError("it has no address")
    for address in addresses:
        try:
            return create_connection(
                (address, connection.port),
                connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except OSError as error:
            failure = error
    raise failure


class _Bearer(requests.auth.AuthBase):
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._tokens.bearer()}"
        return request


class Sessions:
    """At most four sessions, each used by one thread at a time."""

    def __init__(self, settings: EwsSettings) -> None:
        self._settings = settings
        context = tls_context(settings.trust_pem)
        self._context = context if isinstance(context, ssl.SSLContext) else _public_roots()
        self._tokens = Tokens(settings.sign_in) if settings.sign_in else None
        self._free: queue.LifoQueue[requests.Session | None] = queue.LifoQueue()
        for _ in range(AT_ONCE):
            self._free.put(None)
        self._generation = 0
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[requests.Session]:
        """A session, waited for when all are in use. One that fails is not used again."""
        session = self._free.get()
        generation = self._generation
        kept: requests.Session | None = None
        try:
            if session is None:
                session = self._make()
            yield session
            kept = session if generation == self._generation else None
        finally:
            if session is not None and kept is None:
                session.close()
            self._free.put(kept)

    def renew(self) -> None:
        """Sign in anew from now on."""
        with self._lock:
            self._generation += 1
            self._close_free()
            if self._tokens:
                self._tokens.bearer(fresh=True)

    def close(self) -> None:
        with self._lock:
            self._generation += 1
            self._close_free()
            if self._tokens:
                self._tokens.close()

    def _close_free(self) -> None:
        held = []
        while True:
            try:
                held.append(self._free.get_nowait())
            except queue.Empty:
                break
        for session in held:
            if session is not None:
                session.close()
            self._free.put(None)

    def _make(self) -> requests.Session:
        settings = self._settings
        session = requests.Session()
        session.headers["User-Agent"] = "Stowage"
        session.trust_env = settings.proxy_url is None and not is_loopback(settings.url)
        if settings.proxy_url:
            session.proxies = {"https": settings.proxy_url}
        session.mount("https://", _Adapter(settings, self._context))
        session.auth = self._auth()
        return session

    def _auth(self) -> requests.auth.AuthBase:
        settings = self._settings
        if self._tokens:
            return _Bearer(self._tokens)
        # An address is no DOMAIN\name: NTLM takes it as a name without a domain.
        ntlm = settings.auth is Auth.NTLM
        name = f"\\{settings.account}" if ntlm and "@" in settings.account else settings.account
        made: requests.auth.AuthBase = get_auth_instance(
            auth_type=NTLM if ntlm else BASIC, username=name, password=settings.password
        )
        return made


def _public_roots() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())
