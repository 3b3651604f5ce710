"""Which servers of its own a tenant may have the portal connect to."""

from __future__ import annotations

import socket

import pytest
from django.conf import LazySettings

from backups.infrastructure.keys import ensure_root_key
from backups.organizations import servers
from backups.organizations.servers import ews_problem, proxy_problem, reach
from backups.sources import Unavailable
from backups.sources.ews import EwsSettings, EwsSource
from sandbox.testing import Sandbox
from tenants.isolation.scope import tenant_scope
from tenants.models import Tenant
from tenants.services import create_tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PRIVATE = (
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.9",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:0a00:0001::]",
    "0x7f.1",
)


@pytest.fixture(autouse=True)
def nothing_is_allowed(settings: LazySettings) -> None:
    settings.ALLOWED_SERVERS = []


@pytest.fixture
def acme() -> Tenant:
    ensure_root_key()
    return create_tenant(name="Acme", slug="acme")


@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    assert "private network" in ews_problem(f"https://{host}/EWS/Exchange.asmx")
    assert "private network" in proxy_problem(f"http://{host}:3128")


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]"])
def test_a_public_address_may_be_reached(host: str) -> None:
    assert ews_problem(f"https://{host}/EWS/Exchange.asmx") == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/EWS/Exchange.asmx",
        "https://user:word@8.8.8.8/",
        "https://8.8.8.8/EWS?x=1",
        "https://8.8.8.8:99999/",
        "mail.example.com",
        "",
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    assert ews_problem(url)


def test_one_private_address_among_public_ones_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "addresses_of", lambda host, port: ["8.8.8.8", "10.0.0.1"])
    assert "10.0.0.1" in ews_problem("https://mail.acme.example/EWS/Exchange.asmx")


def test_a_range_is_allowed_for_everybody_or_for_one_tenant(
    acme: Tenant, settings: LazySettings
) -> None:
    settings.ALLOWED_SERVERS = ["10.1.0.0/16", "acme=192.168.5.0/24", "acme=intranet.example"]
    with tenant_scope(acme.pk):
        assert ews_problem("https://10.1.2.3/") == ""
        assert ews_problem("https://192.168.5.6/") == ""
        assert ews_problem("https://192.168.6.6/")
    with tenant_scope(create_tenant(name="Globex", slug="globex").pk):
        assert ews_problem("https://10.1.2.3/") == ""
        assert ews_problem("https://192.168.5.6/")


def test_a_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox() as sandbox:
        sandbox.add_mailbox("anna@acme.example", on_server=True)
        account = sandbox.register_server_account("acme.example")
        asked = []

        def resolve(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"]

        settings = EwsSettings(
            account.ews_url.replace("127.0.0.1", "localhost"),
            account.user_name,
            account.password,
            addresses=("anna@acme.example",),
            trust_pem=account.trust_pem,
            resolve=resolve,
        )
        source = EwsSource(settings)
        real = socket.getaddrinfo

        def only_numbers(host: str, *rest: object, **more: object) -> object:
            """The name says something else by now."""
            assert host[0].isdigit(), f"{host} was resolved once more"
            return real(host, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", only_numbers)
        assert [one.address for one in source.discover()] == ["anna@acme.example"]
        source.close()
    assert set(asked) == {"localhost"}


def test_a_name_that_turns_private_after_it_was_noted_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, acme: Tenant
) -> None:
    monkeypatch.setattr(servers, "addresses_of", lambda host, port: ["127.0.0.1"])
    with tenant_scope(acme.pk), Sandbox() as sandbox:
        sandbox.add_organization("acme.example")
        account = sandbox.register_server_account("acme.example")
        source = EwsSource(
            EwsSettings(
                account.ews_url.replace("127.0.0.1", "mail.acme.example"),
                account.user_name,
                account.password,
                addresses=("anna@acme.example",),
                trust_pem=account.trust_pem,
                resolve=reach(),
            )
        )
        with pytest.raises(Unavailable, match="private network"):
            list(source.discover())
        source.close()
        assert source.requests == 1
