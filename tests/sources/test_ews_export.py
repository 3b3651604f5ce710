import pytest

from backups.sources import Gone, ItemChange, Retry, Throttled, payloads
from backups.sources.ews.export import MAX_BYTES
from backups.sources.packs import packs
from backups.streams import StreamError, validate
from sandbox.faults import Fault, Kind
from tests.sources.exchange import Server, listed, payloads_of
from tests.sources.letters import mail


def exported(source, server: Server, changes: list[ItemChange]) -> dict:
    items = list(source.export(server.address, changes))
    assert len({item.id for item in items}) == len(items) == len(changes)
    return {item.id: item for item in items}


def test_what_is_exported_is_what_the_mailbox_holds_byte_for_byte(server: Server):
    source = server.connect()
    ids = server.add_mail(45)
    changes = listed(source, server.address)
    before = source.requests
    items = exported(source, server, changes)
    assert source.requests == before + 3
    assert payloads_of(list(items.values())) == server.payloads(*ids)
    assert {one.id: one.change_key for one in changes} == {
        one.id: one.change_key for one in items.values()
    }


def test_packs_are_cut_by_bytes_and_a_big_item_travels_alone():
    items = [ItemChange(str(number), size=1024 * 1024) for number in range(30)]
    items.insert(3, ItemChange("big", size=MAX_BYTES))
    made = list(packs(items, MAX_BYTES))
    assert [item.id for item in made[0]] == ["big"]
    assert [len(pack) for pack in made[1:]] == [13, 13, 4]


def test_a_large_item_lies_in_a_file_and_is_whole(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(payloads, "IN_MEMORY", 100_000)
    source = server.connect()
    (item,) = server.add_mail(body="x" * 70 + "\r\n" + "0123456789" * 50_000)
    (found,) = exported(source, server, listed(source, server.address)).values()
    assert not isinstance(found.payload, bytes)
    assert {found.payload[:]} == server.payloads(item)


def test_truncated_base64_is_asked_for_again(server: Server):
    source = server.connect()
    ids = server.add_mail(3)
    server.sandbox.faults.add(Fault(Kind.TRUNCATED_ITEM, item=ids[1]))
    items = exported(source, server, listed(source, server.address))
    assert payloads_of(list(items.values())) == server.payloads(*ids)


def test_base64_that_stays_truncated_is_an_error_and_never_a_payload(server: Server):
    source = server.connect()
    ids = server.add_mail(3)
    server.sandbox.faults.add(Fault(Kind.TRUNCATED_ITEM, times=99, item=server.message_id(ids[1])))
    items = exported(source, server, listed(source, server.address)).values()
    (bad,) = (item for item in items if item.error)
    assert isinstance(bad.error, Retry)
    assert bad.payload is None
    good = [item for item in items if not item.error]
    assert payloads_of(good) == server.payloads(ids[0], ids[2])


def test_a_damaged_stream_is_handed_over_for_the_engine_to_refuse(server: Server):
    source = server.connect()
    (item,) = server.add_mail()
    server.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, times=99, item=item))
    (found,) = exported(source, server, listed(source, server.address)).values()
    with pytest.raises(StreamError):
        validate(found.payload)


def test_an_error_of_one_item_leaves_the_others_alone(server: Server):
    source = server.connect()
    ids = server.add_mail(3)
    changes = listed(source, server.address)
    server.sandbox.store.delete_item(server.mailbox, ids[0], hard=True)
    server.sandbox.faults.add(
        Fault(Kind.FAILED_ITEM, times=99, item=ids[1], code="ErrorCorruptData")
    )
    items = exported(source, server, changes).values()
    assert sorted(type(item.error).__name__ for item in items if item.error) == ["Damaged", "Gone"]
    assert payloads_of([item for item in items if not item.error]) == server.payloads(ids[2])


def test_an_error_that_the_source_does_not_know_may_pass(server: Server):
    source = server.connect()
    ids = server.add_mail()
    server.sandbox.faults.add(Fault(Kind.FAILED_ITEM, item=ids[0], code="ErrorInternalServerError"))
    items = exported(source, server, listed(source, server.address))
    assert payloads_of(list(items.values())) == server.payloads(*ids)


def test_an_id_that_is_none_costs_nobody_else(server: Server):
    source = server.connect()
    ids = server.add_mail(5)
    bad = ItemChange("no id at all", "k")
    changes = listed(source, server.address)
    items = exported(source, server, [*changes[:2], bad, *changes[2:]])
    assert isinstance(items.pop(bad.id).error, Gone)
    assert payloads_of(list(items.values())) == server.payloads(*ids)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST, Kind.TRUNCATED])
def test_an_answer_that_breaks_off_is_asked_for_again(server: Server, kind: Kind):
    source = server.connect()
    ids = server.add_mail(30)
    changes = listed(source, server.address)
    server.sandbox.faults.add(Fault(kind, "ExportItems", times=2))
    items = exported(source, server, changes)
    assert payloads_of(list(items.values())) == server.payloads(*ids)


@pytest.mark.parametrize("status", [413, 504])
def test_a_pack_that_is_too_much_is_halved_until_it_goes(server: Server, status: int):
    source = server.connect()
    ids = server.add_mail(8)
    changes = listed(source, server.address)
    server.sandbox.faults.add(Fault(Kind.STATUS, "ExportItems", 3, status=status))
    items = exported(source, server, changes)
    assert payloads_of(list(items.values())) == server.payloads(*ids)


def test_what_concerns_the_mailbox_is_raised_after_what_had_arrived(server: Server):
    source = server.connect()
    server.add_mail(120)
    changes = listed(source, server.address)
    server.sandbox.faults.add(
        Fault(Kind.STATUS, "ExportItems", 99, after=2, status=503, retry_after=90)
    )
    arrived = []
    with pytest.raises(Throttled) as caught:
        arrived.extend(source.export(server.address, changes))
    assert caught.value.retry_after == 90
    assert len(arrived) == 40
    assert all(item.payload for item in arrived)


def test_nothing_wanted_is_no_request(server: Server):
    source = server.connect()
    assert list(source.export(server.address, [])) == []
    assert source.requests == 0


def test_items_of_an_archive_and_recoverable_ones_are_exported_as_any(server: Server):
    source, sandbox = server.connect(), server.sandbox
    (deleted,) = server.add_mail()
    sandbox.store.delete_item(server.mailbox, deleted, hard=False)
    archive = sandbox.add_archive(server.address)
    kept = sandbox.add_mail(server.address, "Kept", mail(1, "Long ago"), archive=True)

    inside = listed(source, server.address, "Kept")
    recoverable = listed(source, server.address, "recoverableitemsdeletions")
    items = exported(source, server, inside + recoverable)

    assert payloads_of([items[inside[0].id]]) == {sandbox.store.payload(archive, kept.id)}
    assert items[recoverable[0].id].payload
