"""Reaching a server: sign-in, trust, rights, and being asked to wait."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from backups.sources import GraphSettings, NotPermitted, Throttled, Unavailable
from backups.sources.ews import Auth, EwsSettings, EwsSource, sessions, transport
from sandbox.faults import Fault, Kind
from tests.sources.exchange import Server, folders, listed, payloads_of


@pytest.mark.parametrize("auth", [Auth.NTLM, Auth.BASIC])
def test_every_way_to_sign_in_opens_the_mailbox(server: Server, auth: Auth):
    ids = server.add_mail(25)
    source = server.connect(auth=auth)
    items = list(source.export(server.address, listed(source, server.address)))
    assert payloads_of(items) == server.payloads(*ids)


def test_a_token_of_entra_with_the_role_opens_the_mailbox(server: Server):
    def connect(*roles: str) -> EwsSource:
        registration = server.sandbox.register("acme.example", roles)
        sign_in = GraphSettings(**asdict(registration)).sign_in
        return server.connect(auth=Auth.OAUTH, sign_in=sign_in)

    assert "inbox" in folders(connect("full_access_as_app"), server.address)
    with pytest.raises(NotPermitted) as caught:
        folders(connect("User.Read.All"), server.address)
    assert caught.value.permission == "full_access_as_app"


@pytest.mark.parametrize("auth", [Auth.NTLM, Auth.BASIC])
def test_a_wrong_password_is_not_permitted_and_named_sign_in(server: Server, auth: Auth):
    source = server.connect(auth=auth, password="wrong")
    with pytest.raises(NotPermitted, match="sign-in") as caught:
        folders(source, server.address)
    assert caught.value.permission == ""
    assert "wrong" not in str(caught.value)


def test_without_the_right_to_impersonate_the_check_says_which_is_missing(server: Server):
    account = server.sandbox.register_server_account("acme.example", "plain", impersonates=False)
    source = server.connect(account=account.user_name, password=account.password)
    (state,) = source.check()
    assert (state.permission, state.granted, state.needed) == (
        "ApplicationImpersonation",
        False,
        True,
    )
    with pytest.raises(NotPermitted, match="ApplicationImpersonation") as caught:
        folders(source, server.address)
    assert caught.value.permission == "ApplicationImpersonation"
    assert [one.address for one in source.discover()] == [server.address]


def test_the_check_grants_what_there_is_and_names_the_server(server: Server):
    source = server.connect()
    (state,) = source.check()
    assert state.granted
    facts = source.server()
    assert (facts.product, facts.native) == ("Exchange Server 2019 or Subscription Edition", True)


def test_only_addresses_with_a_mailbox_are_discovered_each_once(server: Server):
    other = server.another()
    addresses = (server.address.upper(), other, server.address, "nobody@acme.example")
    found = list(server.connect(addresses=addresses).discover())
    assert [one.id for one in found] == [server.address, other]
    assert found[0].name


def test_a_certificate_that_nobody_trusts_is_refused(server: Server):
    with pytest.raises(Unavailable, match="certificate"):
        folders(server.connect(trust_pem=None), server.address)


def test_the_environment_cannot_add_trust(server: Server, monkeypatch, tmp_path):
    bundle = tmp_path / "roots.pem"
    bundle.write_text(server.settings.trust_pem or "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(sessions, "is_loopback", lambda url: False)
    with pytest.raises(Unavailable, match="certificate"):
        folders(server.connect(trust_pem=None), server.address)


def test_a_server_that_is_not_there_is_unavailable(server: Server):
    with pytest.raises(Unavailable, match="reached"):
        folders(server.connect(url="https://127.0.0.1:9/EWS/Exchange.asmx"), server.address)


def test_a_proxy_that_is_not_there_is_unavailable_and_nothing_goes_past_it(server: Server):
    source = server.connect(proxy_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="Proxy"):
        folders(source, server.address)


def test_an_address_without_web_services_is_unavailable(server: Server):
    with pytest.raises(Unavailable):
        folders(server.connect(url=f"{server.sandbox.url}/nothing/here.asmx"), server.address)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://mail.acme.example/EWS/Exchange.asmx"},
        {"url": "https://user@mail.acme.example/EWS/Exchange.asmx"},
        {"password": ""},
        {"auth": Auth.OAUTH},
    ],
)
def test_settings_that_cannot_work_are_refused(server: Server, changes: dict):
    with pytest.raises(ValueError):
        replace(server.settings, **changes)


def test_settings_do_not_show_the_password(server: Server):
    assert server.settings.password not in repr(server.settings)


def test_a_server_that_asks_for_time_is_left_alone_until_it_has_passed(server: Server):
    source = server.connect()
    server.sandbox.faults.add(Fault(Kind.STATUS, "SyncFolder", status=503, retry_after=40))
    with pytest.raises(Throttled) as caught:
        folders(source, server.address)
    assert caught.value.retry_after == 40
    asked = source.requests

    server.now += 15
    with pytest.raises(Throttled) as caught:
        folders(source, server.address)
    assert caught.value.retry_after == 25
    assert source.requests == asked
    assert source.throttled_seconds == 40

    assert folders(source, server.another())
    server.now += 25
    assert folders(source, server.address)


def test_a_server_that_does_not_say_how_long_gets_more_time_each_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(transport.random, "uniform", lambda low, high: 1.0)
    source = server.connect()
    server.sandbox.faults.add(Fault(Kind.STATUS, "GetFolder", 8, status=503))
    waits = []
    for _ in range(8):
        with pytest.raises(Throttled) as caught:
            folders(source, server.address)
        waits.append(caught.value.retry_after)
        server.now += caught.value.retry_after
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert folders(source, server.address)
    server.sandbox.faults.add(Fault(Kind.STATUS, "GetFolder", status=503))
    with pytest.raises(Throttled) as caught:
        folders(source, server.address)
    assert caught.value.retry_after == 10


def test_many_threads_share_four_connections_and_leave_none_open(server: Server):
    source = server.connect(auth=Auth.NTLM)

    def look(_: int) -> int:
        return len(folders(source, server.address))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(look, range(24)))) == 1
    sessions = source._transport._sessions
    assert sessions._free.qsize() == 4
    source.close()
    assert [sessions._free.get_nowait() for _ in range(4)] == [None] * 4


def test_two_organizations_keep_their_own_trust_and_account(server: Server):
    good = server.connect()
    bad = server.connect(trust_pem=None, account="somebody@else.example")
    with pytest.raises(Unavailable):
        folders(bad, server.address)
    assert folders(good, server.address)


def test_ews_settings_take_what_a_server_registration_gives(server: Server):
    account = server.sandbox.register_server_account("acme.example", "fresh")
    made = EwsSettings(
        account.ews_url, account.user_name, account.password, trust_pem=account.trust_pem
    )
    assert made.auth is Auth.NTLM
