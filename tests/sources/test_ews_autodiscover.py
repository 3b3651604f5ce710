from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from backups.sources import NotPermitted, Refused, Unavailable
from backups.sources.ews import Auth, find_url
from tests.sources.exchange import Server


def host(server: Server) -> tuple[str, ...]:
    return (urlsplit(server.settings.url).netloc,)


def permitted(url: str) -> None:
    assert url.startswith("https://")


@pytest.mark.parametrize("auth", [Auth.NTLM, Auth.BASIC])
def test_the_server_says_where_its_web_services_are(server: Server, auth: Auth):
    settings = replace(server.settings, auth=auth)
    assert find_url(server.address, settings, permitted, host(server)) == server.settings.url


def test_the_first_host_that_knows_is_believed(server: Server):
    hosts = ("127.0.0.1:9", *host(server))
    assert find_url(server.address, server.settings, permitted, hosts) == server.settings.url


def test_an_address_that_nobody_knows_is_unavailable_with_what_was_said(server: Server):
    with pytest.raises(Unavailable, match="InvalidUser"):
        find_url("nobody@acme.example", server.settings, permitted, host(server))


def test_a_wrong_password_is_not_tried_elsewhere(server: Server):
    settings = replace(server.settings, password="wrong")
    asked: list[str] = []
    with pytest.raises(NotPermitted):
        find_url(server.address, settings, asked.append, host(server) * 2)
    assert len(asked) == 1


def test_an_address_that_may_not_be_asked_is_not(server: Server):
    def refuse(url: str) -> None:
        raise Refused(f"{url} may not be asked")

    with pytest.raises(Unavailable, match="may not be asked"):
        find_url(server.address, server.settings, refuse, host(server))


def test_the_hosts_come_from_the_domain(server: Server):
    asked: list[str] = []

    def note(url: str) -> None:
        asked.append(url)
        raise Refused("not here")

    with pytest.raises(Unavailable):
        find_url("anna@acme.example", server.settings, note)
    assert asked == [
        "https://autodiscover.acme.example/autodiscover/autodiscover.svc",
        "https://acme.example/autodiscover/autodiscover.svc",
    ]
