"""Connecting an Exchange Server through the pages, alone and beside Exchange Online."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backups.organizations.connections import source_for
from backups.organizations.models import ExchangeServer, Mailbox, Organization
from backups.sources import HybridSource
from backups.sources.ews import EwsSource
from sandbox.testing import Sandbox
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn
from tests.web.test_connect import acme_organizations, beside, of_sandbox

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NEW = "/t/acme/organizations/new/server/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        running.add_mailbox("mara@acme.example")
        running.add_mailbox("jun@acme.example", on_server=True)
        running.add_mailbox("kim@acme.example", on_server=True)
        yield running


def form(sandbox: Sandbox, **values: object) -> dict[str, object]:
    account = sandbox.register_server_account("acme.example")
    return {
        "name": "Own server",
        "url": account.ews_url,
        "auth": "ntlm",
        "account": account.user_name,
        "password": account.password,
        "impersonation": "on",
        "addresses": "jun@acme.example\nKim@acme.example",
        "trust": account.trust_pem,
        **values,
    }


def connect(client: Client, values: dict[str, object], path: str = NEW) -> str:
    """The address of the check page that follows."""
    response = client.post(path, values)
    assert response.status_code == 302, response.content.decode()
    assert response.headers["Location"].endswith("/check/")
    return str(response.headers["Location"])


def refused(client: Client, values: dict[str, object], path: str = NEW) -> str:
    response = client.post(path, values)
    assert response.status_code == 200
    return str(response.content.decode())


def systems(organization: Organization) -> dict[str, str]:
    with tenant_scope(organization.tenant_id):
        rows = Mailbox.objects.present().filter(organization=organization)
        return {row.address: row.system for row in rows}


def test_a_server_is_connected_checked_and_its_mailboxes_are_found(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    path = connect(client, form(sandbox))
    page = client.post(path, headers=HTMX).content.decode()
    assert "Everything works." in page
    assert "2 mailboxes found" in page
    [organization] = acme_organizations(cast)
    assert organization.kind == Organization.Kind.ON_PREMISES
    assert systems(organization) == {"jun@acme.example": "server", "kim@acme.example": "server"}
    with tenant_scope(cast.acme.id):
        source = source_for(organization)
    assert isinstance(source, EwsSource)
    source.close()


def test_a_server_that_gives_items_as_mime_is_said_to_be_of_reduced_fidelity(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    path = connect(client, form(sandbox))
    assert "Reduced fidelity" not in client.post(path, headers=HTMX).content.decode()
    sandbox.set_bulk_transfer("acme.example", supported=False)
    try:
        page = client.post(path, headers=HTMX).content.decode()
    finally:
        sandbox.set_bulk_transfer("acme.example", supported=True)
    assert "Everything works." in page
    assert "Reduced fidelity" in page


def test_the_password_is_sealed_kept_and_never_shown(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    values = form(sandbox)
    server_page = connect(client, values).replace("/check/", "/server/")
    password = str(values["password"])
    assert password not in client.get(server_page).content.decode()
    connect(client, {**values, "password": "", "name": "Renamed"}, server_page)
    [organization] = acme_organizations(cast)
    assert organization.name == "Renamed"
    with tenant_scope(cast.acme.id):
        server = ExchangeServer.objects.get(organization=organization)
        assert password.encode() not in bytes(server.sealed_password)
        source = source_for(organization)
        assert len(list(source.discover())) == 2
        source.close()


def test_a_stored_password_does_not_go_to_another_server(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    values = form(sandbox)
    server_page = connect(client, values).replace("/check/", "/server/")
    for change in ({"url": "https://127.0.0.1:1/"}, {"proxy_url": "http://127.0.0.1:1"}):
        page = refused(client, {**values, "password": "", **change}, server_page)
        assert "Write the account" in beside(page, "password")


def test_a_server_beside_exchange_online_makes_the_organization_hybrid(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    online = client.post("/t/acme/organizations/new/", of_sandbox(sandbox))
    server_page = online.headers["Location"].replace("/check/", "/server/")
    assert "becomes hybrid" in client.get(server_page).content.decode()
    path = connect(client, form(sandbox), server_page)
    assert "3 mailboxes found" in client.post(path, headers=HTMX).content.decode()
    [organization] = acme_organizations(cast)
    assert organization.kind == Organization.Kind.HYBRID
    assert systems(organization) == {
        "mara@acme.example": "online",
        "jun@acme.example": "server",
        "kim@acme.example": "server",
    }
    with tenant_scope(cast.acme.id):
        source = source_for(organization)
    assert isinstance(source, HybridSource)
    source.close()


def test_a_missing_right_to_impersonate_is_named(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    account = sandbox.register_server_account("acme.example", "weak", impersonates=False)
    client = sign_in(cast.admin)
    values = form(sandbox, account=account.user_name, password=account.password)
    page = client.post(connect(client, values)).content.decode()
    assert "1 permission missing." in page
    command = f"-Role ApplicationImpersonation -User '{account.user_name}'"
    assert command in html.unescape(page)


def test_addresses_come_from_a_file_and_each_counts_once(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    file = SimpleUploadedFile(
        "mailboxes.txt", "\ufeffKIM@acme.example\r\njun@acme.example".encode()
    )
    values = form(sandbox, addresses="jun@acme.example", addresses_file=file)
    connect(sign_in(cast.admin), values)
    [organization] = acme_organizations(cast)
    with tenant_scope(cast.acme.id):
        server = organization.servers.get()
    assert server.addresses.split() == ["jun@acme.example", "kim@acme.example"]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"url": "https://10.0.0.1/EWS/Exchange.asmx"}, "url", "private network"),
        ({"url": "http://127.0.0.1/"}, "url", "Write an address such as"),
        ({"proxy_url": "http://169.254.169.254"}, "proxy_url", "private network"),
        ({"account": ""}, "account", "service account"),
        ({"password": ""}, "password", "password"),
        ({"addresses": "nobody"}, "addresses", "nobody is not an address"),
        ({"addresses": ""}, "addresses", "one a line"),
        ({"auth": "oauth"}, "auth", "app registration"),
        ({"trust": "nothing"}, "trust", "no certificate"),
        ({"name": ""}, "name", "required"),
        ({"url": "", "addresses": ""}, "url", "Autodiscover"),
        ({"url": "", "addresses": "a@host.invalid"}, "url", "no server says"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(
    cast: Cast,
    sign_in: SignIn,
    sandbox: Sandbox,
    change: dict[str, object],
    field: str,
    message: str,
) -> None:
    page = refused(sign_in(cast.admin), form(sandbox, **change))
    assert message in beside(page, field)
    assert not acme_organizations(cast)


def test_the_address_is_asked_of_autodiscover(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backups.organizations import exchange_server

    asked = []

    def find_url(address: str, settings: object, permit: object) -> str:
        asked.append(address)
        return sandbox.ews_url

    monkeypatch.setattr(exchange_server, "find_url", find_url)
    connect(sign_in(cast.admin), form(sandbox, url=""))
    assert asked == ["jun@acme.example"]
    [organization] = acme_organizations(cast)
    with tenant_scope(cast.acme.id):
        assert organization.servers.get().url == sandbox.ews_url
