"""A sandbox of its own for each test module, talked to with plain httpx."""

import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sandbox.certificate import make_application_certificate
from sandbox.registration import ALL_ROLES, Registration
from sandbox.testing import Sandbox
from tests.sandbox.ews import Schema, Server

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def client_for(sandbox: Sandbox) -> httpx.Client:
    return httpx.Client(
        base_url=sandbox.url,
        verify=ssl.create_default_context(cadata=sandbox.trust_pem),
        trust_env=False,
        timeout=60,
    )


def assertion(registration: Registration, **changed: object) -> str:
    """A client assertion as Entra wants it, with some claims or headers changed."""
    certificate = x509.load_pem_x509_certificate(registration.certificate_pem.encode())
    digest = certificate.fingerprint(hashes.SHA256())
    now = int(time.time())
    claims = {
        "aud": f"{registration.authority}/{registration.directory}/oauth2/v2.0/token",
        "iss": registration.client_id,
        "sub": registration.client_id,
        "jti": str(uuid.uuid4()),
        "nbf": now,
        "exp": now + 600,
    }
    key = str(changed.pop("key", registration.private_key_pem))
    algorithm = str(changed.pop("algorithm", "PS256"))
    thumbprint = changed.pop("thumbprint", jwt.utils.base64url_encode(digest).decode())
    return jwt.encode(
        {**claims, **changed}, key, algorithm=algorithm, headers={"x5t#S256": thumbprint}
    )


def token_form(registration: Registration, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": registration.client_id,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(registration),
        "scope": f"{registration.graph_url}/.default",
        **changed,
    }


def sign_in(client: httpx.Client, registration: Registration) -> str:
    answer = client.post(
        f"/{registration.directory}/oauth2/v2.0/token", data=token_form(registration)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@dataclass
class Exchange:
    """A sandbox with Acme in it, Anna's mailbox, and a client that is signed in."""

    sandbox: Sandbox
    client: httpx.Client
    registration: Registration
    mailbox: str

    def signed_in(self, *roles: str, domain: str = "acme.example") -> httpx.Client:
        registration = self.sandbox.register(domain, roles or ALL_ROLES)
        with client_for(self.sandbox) as client:
            token = sign_in(client, registration)
        client = client_for(self.sandbox)
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def path(self, rest: str = "") -> str:
        return f"/v1.0/admin/exchange/mailboxes/{self.mailbox}{rest}"

    def add_mail(self, number: int, folder: str = "Inbox", body: str = "Hello") -> str:
        raw = (
            f"From: ravi@acme.example\r\nTo: anna@acme.example\r\nSubject: Mail {number}\r\n"
            f"Message-ID: <{number}@acme.example>\r\n"
            f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\n{body}\r\n"
        )
        return self.sandbox.add_mail("anna@acme.example", folder, raw.encode()).id


@pytest.fixture(scope="session", autouse=True)
def one_key() -> Iterator[None]:
    """Registrations share a key here: making one takes longer than most tests."""
    pair = make_application_certificate("Tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sandbox.registration.make_application_certificate", lambda name: pair)
        yield


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Sandbox() as sandbox:
        user = sandbox.add_mailbox("anna@acme.example", "Anna Berg")
        registration = sandbox.register("acme.example")
        with client_for(sandbox) as client:
            client.headers["Authorization"] = f"Bearer {sign_in(client, registration)}"
            yield Exchange(sandbox, client, registration, user.mailbox)


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema()


@pytest.fixture
def server(schema: Schema) -> Iterator[Server]:
    with Sandbox() as sandbox:
        sandbox.add_mailbox("anna@acme.example", "Anna Berg", on_server=True)
        account = sandbox.register_server_account("acme.example")
        with client_for(sandbox) as client:
            client.auth = (account.user_name, account.password)
            yield Server(sandbox, client, account, schema)
