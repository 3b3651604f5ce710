import pytest

from backups.sources import Damaged, Gone, GraphSource, ItemChange, NotPermitted, Retry, Throttled
from backups.sources.packs import MAX_BYTES, packs
from backups.streams import StreamError, validate
from sandbox.faults import Fault, Kind
from tests.sources.conftest import World, everything, exported


def wanted(source: GraphSource, world: World) -> list[ItemChange]:
    return list(everything(source, world.mailbox, world.inbox())[0].values())


def test_what_is_exported_is_what_the_mailbox_holds_byte_for_byte(
    world: World, source: GraphSource
):
    ids = world.add_mail(45)
    changes = wanted(source, world)
    before = source.requests
    items = exported(source, world.mailbox, changes)
    assert source.requests == before + 3
    assert {item: items[item].payload for item in ids} == {
        item: world.payload(item) for item in ids
    }
    assert {change.id: change.change_key for change in changes} == {
        item.id: item.change_key for item in items.values()
    }


def test_nothing_wanted_is_no_request(world: World, source: GraphSource):
    assert list(source.export(world.mailbox, [])) == []
    assert source.requests == 0


def test_an_id_that_is_wanted_twice_comes_once(world: World, source: GraphSource):
    world.add_mail(2)
    changes = wanted(source, world)
    assert len(exported(source, world.mailbox, changes + changes)) == 2


def test_packs_hold_at_most_twenty_items_and_their_weight_and_a_big_item_is_alone():
    megabyte = 1024 * 1024
    items = [ItemChange(str(number), size=megabyte) for number in range(50)]
    items.insert(5, ItemChange("big", size=MAX_BYTES))
    made = list(packs(items))
    assert [item.id for item in made[0]] == ["big"]
    assert [len(pack) for pack in made[1:]] == [16, 16, 16, 2]
    assert [len(pack) for pack in packs([ItemChange(str(n)) for n in range(41)])] == [20, 20, 1]


@pytest.mark.parametrize("status", [413, 504])
def test_a_pack_that_is_too_much_is_halved_until_it_goes(
    world: World, source: GraphSource, status: int
):
    ids = world.add_mail(8)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.STATUS, "exportItems", 3, status=status))
    items = exported(source, world.mailbox, changes)
    assert {item: items[item].payload for item in ids} == {
        item: world.payload(item) for item in ids
    }


def test_an_item_that_never_comes_in_time_is_an_error_of_its_own(world: World, source: GraphSource):
    world.add_mail(4)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.STATUS, "exportItems", 999, status=504))
    items = exported(source, world.mailbox, changes)
    assert len(items) == 4
    assert all(isinstance(item.error, Retry) and item.payload is None for item in items.values())


def test_truncated_base64_is_asked_for_again(world: World, source: GraphSource):
    ids = world.add_mail(3)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.TRUNCATED_ITEM, item=ids[1]))
    items = exported(source, world.mailbox, changes)
    assert items[ids[1]].payload == world.payload(ids[1])


def test_base64_that_stays_truncated_is_an_error_and_never_a_payload(
    world: World, source: GraphSource
):
    ids = world.add_mail(3)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.TRUNCATED_ITEM, times=99, item=world.message_id(ids[1])))
    items = exported(source, world.mailbox, changes)
    assert isinstance(items[ids[1]].error, Retry)
    assert items[ids[1]].payload is None
    assert items[ids[0]].payload == world.payload(ids[0])
    assert items[ids[2]].payload == world.payload(ids[2])


def test_an_item_that_the_answer_leaves_out_is_asked_for_once_more(
    world: World, source: GraphSource
):
    ids = world.add_mail(3)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.MISSING_ITEM, item=ids[0]))
    assert exported(source, world.mailbox, changes)[ids[0]].payload == world.payload(ids[0])
    world.sandbox.faults.add(Fault(Kind.MISSING_ITEM, times=99, item=ids[0]))
    items = exported(source, world.mailbox, changes)
    assert isinstance(items[ids[0]].error, Retry)
    assert len(items) == 3


def test_a_damaged_stream_is_handed_over_as_it_came_for_the_engine_to_refuse(
    world: World, source: GraphSource
):
    ids = world.add_mail(2)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, times=99, item=ids[0]))
    payload = exported(source, world.mailbox, changes)[ids[0]].payload
    assert payload is not None
    with pytest.raises(StreamError):
        validate(payload)


def test_an_error_of_one_item_leaves_the_others_alone(world: World, source: GraphSource):
    ids = world.add_mail(3)
    changes = wanted(source, world)
    source.delete(world.mailbox, ids[0])
    world.sandbox.faults.add(
        Fault(Kind.FAILED_ITEM, times=99, item=ids[1], code="ErrorCorruptData")
    )
    items = exported(source, world.mailbox, changes)
    assert isinstance(items[ids[0]].error, Gone)
    assert isinstance(items[ids[1]].error, Damaged)
    assert items[ids[2]].payload == world.payload(ids[2])


def test_an_error_that_the_source_does_not_know_may_pass(world: World, source: GraphSource):
    ids = world.add_mail(1)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(Kind.FAILED_ITEM, item=ids[0], code="ErrorMailboxFailover"))
    assert exported(source, world.mailbox, changes)[ids[0]].payload == world.payload(ids[0])


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST, Kind.TRUNCATED])
def test_an_export_answer_that_breaks_off_is_asked_for_again(
    world: World, source: GraphSource, kind: Kind
):
    ids = world.add_mail(30)
    changes = wanted(source, world)
    world.sandbox.faults.add(Fault(kind, "exportItems", times=2))
    items = exported(source, world.mailbox, changes)
    assert {item: items[item].payload for item in ids} == {
        item: world.payload(item) for item in ids
    }


def test_what_concerns_the_mailbox_is_raised_after_what_had_arrived(
    world: World, source: GraphSource
):
    world.add_mail(120)
    changes = wanted(source, world)
    world.sandbox.faults.add(
        Fault(Kind.STATUS, "exportItems", 99, after=2, status=429, retry_after=300)
    )
    arrived = []
    with pytest.raises(Throttled):
        arrived.extend(source.export(world.mailbox, changes))
    assert len(arrived) == 40
    assert all(item.payload for item in arrived)


def test_an_export_without_the_permission_is_not_permitted(world: World):
    world.add_mail()
    source = world.connect("MailboxItem.Read.All")
    with pytest.raises(NotPermitted) as caught:
        exported(source, world.mailbox, wanted(source, world))
    assert caught.value.permission == "MailboxItem.Export.All"


def test_an_export_that_nobody_reads_to_the_end_stops(world: World, source: GraphSource):
    world.add_mail(130)
    items = source.export(world.mailbox, wanted(source, world))
    assert next(items).payload
    before = source.requests
    items.close()
    assert source.requests <= before + 3


def test_a_big_item_travels_alone_and_whole(world: World, source: GraphSource):
    (big,) = world.add_mail(body="0123456789abcdef\r\n" * 1_500_000)
    ids = world.add_mail(3)
    items = exported(source, world.mailbox, wanted(source, world))
    assert items[big].payload[:] == world.payload(big)
    assert set(items) == {big, *ids}
