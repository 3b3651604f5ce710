from collections.abc import Iterator

import httpx
import pytest

from sandbox.records import Group
from tests.sandbox.conftest import Exchange

ANNA = "anna@acme.example"


@pytest.fixture
def client(exchange: Exchange) -> Iterator[httpx.Client]:
    with exchange.signed_in("Group.Read.All", "Directory.Read.All") as signed_in:
        yield signed_in


@pytest.fixture
def staff(exchange: Exchange) -> Group:
    """Anna and a group in which Ravi and the group itself are."""
    sandbox = exchange.sandbox
    ravi = sandbox.add_mailbox("ravi@acme.example")
    inner = sandbox.add_group("acme.example", "Leads", ravi)
    staff = sandbox.add_group("acme.example", "Staff", sandbox.store.user(ANNA), inner)
    sandbox.store.put_members(inner, [ravi, staff])
    return staff


def value(client: httpx.Client, path: str) -> list[dict]:
    answer = client.get(f"/v1.0{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()["value"]


def test_groups_and_their_direct_members_are_listed(client: httpx.Client, staff: Group):
    assert {group["displayName"] for group in value(client, "/groups")} == {"Staff", "Leads"}
    members = value(client, f"/groups/{staff.id}/members?$select=id,mail")
    assert {(one["@odata.type"].rpartition(".")[2], one.get("mail")) for one in members} == {
        ("user", ANNA),
        ("group", None),
    }


def test_transitive_members_are_each_listed_once_though_groups_hold_each_other(
    client: httpx.Client, staff: Group
):
    members = value(client, f"/groups/{staff.id}/transitiveMembers")
    assert sorted(one["displayName"] for one in members) == ["Anna Berg", "Leads", "Ravi", "Staff"]


def test_members_come_in_pages(client: httpx.Client, staff: Group):
    first = client.get(f"/v1.0/groups/{staff.id}/members?$top=1").json()
    second = client.get(first["@odata.nextLink"]).json()
    assert len(first["value"]) == len(second["value"]) == 1
    assert first["value"] != second["value"]
    assert "@odata.nextLink" not in second


def test_delta_tells_which_groups_changed_and_which_are_gone(
    exchange: Exchange, client: httpx.Client, staff: Group
):
    store = exchange.sandbox.store
    link = client.get("/v1.0/groups/delta").json()["@odata.deltaLink"]
    store.put_members(staff, [])
    (leads,) = [group for group in store.groups(staff.directory) if group.name == "Leads"]
    store.remove_group(leads)
    changed = {one["id"]: one for one in client.get(link).json()["value"]}
    assert changed.keys() == {staff.id, leads.id}
    assert "@removed" in changed[leads.id]
    assert "@removed" not in changed[staff.id]


def test_somebody_who_left_is_in_no_group(exchange: Exchange, client: httpx.Client, staff: Group):
    exchange.sandbox.store.remove_user(ANNA)
    assert [one["displayName"] for one in value(client, f"/groups/{staff.id}/members")] == ["Leads"]


def test_a_group_of_another_organization_is_not_found(exchange: Exchange, staff: Group):
    exchange.sandbox.add_mailbox("juno@globex.example")
    with exchange.signed_in("Group.Read.All", domain="globex.example") as theirs:
        assert theirs.get(f"/v1.0/groups/{staff.id}/members").status_code == 404
        assert value(theirs, "/groups") == []
