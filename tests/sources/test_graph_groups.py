"""Groups of Exchange Online, for jobs that choose mailboxes by them."""

import pytest

from backups.sources import Gone, GraphSource, NotPermitted, Retry
from sandbox.faults import Fault, Kind
from tests.sources.conftest import ALL_ROLES, World


@pytest.fixture
def source(world: World) -> GraphSource:
    return world.connect(*ALL_ROLES, "Group.Read.All")


@pytest.fixture
def staff(world: World):
    """A group with the world's person in it, and a group in that with another."""
    sandbox, store = world.sandbox, world.sandbox.store
    person = store.user(world.address)
    other = sandbox.add_mailbox(f"Other.{world.address}")
    inner = sandbox.add_group("acme.example", f"Leads {world.address}", other, person)
    staff = sandbox.add_group("acme.example", f"Staff {world.address}", person, inner)
    # Groups may hold each other.
    store.put_members(inner, [other, person, staff])
    yield staff
    store.remove_group(inner)
    store.remove_group(staff)
    store.remove_user(other.address)


def test_groups_are_listed_with_name_and_address(world: World, source: GraphSource, staff):
    store = world.sandbox.store
    list_ = store.add_group(staff.directory, f"List {world.address}", f"list.{world.address}")
    found = {group.id: group for group in source.groups()}
    assert (found[staff.id].name, found[staff.id].address) == (staff.name, "")
    assert found[list_.id].address == f"list.{world.address}"
    store.remove_group(list_)
    assert list_.id not in {group.id for group in source.groups()}


def test_members_of_groups_in_a_group_are_its_members_each_once(
    world: World, source: GraphSource, staff
):
    members = list(source.members(staff.id))
    assert sorted(members) == sorted([world.address, f"other.{world.address}"])


def test_many_members_come_in_pages(
    world: World, source: GraphSource, staff, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backups.sources.graph.groups._PAGE", "1")
    assert len(list(source.members(staff.id))) == 2
    assert staff.id in {group.id for group in source.groups()}


def test_a_group_that_is_gone_is_gone_and_not_empty(world: World, source: GraphSource, staff):
    world.sandbox.store.remove_group(staff)
    with pytest.raises(Gone):
        list(source.members(staff.id))


def test_a_listing_that_breaks_is_an_error_and_not_an_empty_group(
    world: World, source: GraphSource, staff
):
    world.sandbox.faults.add(Fault(Kind.TRUNCATED, f"{staff.id}/members", times=99))
    with pytest.raises(Retry):
        list(source.members(staff.id))


def test_the_permission_that_groups_take_is_named(world: World, staff):
    source = world.connect("User.Read.All")
    for ask in (source.groups, lambda: source.members(staff.id)):
        with pytest.raises(NotPermitted) as caught:
            list(ask())
        assert caught.value.permission == "Group.Read.All"


def test_a_group_of_another_organization_does_not_exist(world: World, source: GraphSource, staff):
    group = world.sandbox.add_group("globex.example", f"Theirs {world.address}")
    with pytest.raises(Gone):
        list(source.members(group.id))
    assert group.id not in {one.id for one in source.groups()}
