"""Answers and permissions against Microsoft's own descriptions of Graph v1.0."""

import json
import lzma
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sandbox.graph.routes import ROUTES
from tests.sandbox.conftest import Exchange

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("STOWAGE_SHARED", REPOSITORY.parent / "shared"))
GRAPH = SHARED / "contracts" / "graph"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"

# In the documentation since 2026-08-06, not yet in the schema of 2026-08-20.
NEWER_THAN_SCHEMA = {"wellKnownName"}
# Its page of the documentation names it; permissions.json has no entry for the path.
NOT_IN_PERMISSIONS = {"users/{user}/settings/exchange"}


@pytest.fixture(scope="module")
def properties() -> dict[str, set[str]]:
    """Names of the properties of each type, those of its base types included."""
    path = GRAPH / "v1.0-Prod.csdl.xz"
    if not path.exists():
        pytest.skip("needs the Graph schema in STOWAGE_SHARED/contracts/graph")
    own: dict[str, set[str]] = {}
    base: dict[str, str] = {}
    root = ElementTree.fromstring(lzma.decompress(path.read_bytes()))
    for schema in root.iter(f"{EDM}Schema"):
        if schema.get("Namespace") != "microsoft.graph":
            continue
        for kind in (*schema.iter(f"{EDM}EntityType"), *schema.iter(f"{EDM}ComplexType")):
            name = kind.get("Name", "")
            own[name] = {
                member.get("Name", "")
                for tag in ("Property", "NavigationProperty")
                for member in kind.iter(f"{EDM}{tag}")
            }
            base[name] = kind.get("BaseType", "").removeprefix("graph.")
            base[name] = base[name].removeprefix("microsoft.graph.")

    def with_bases(name: str) -> set[str]:
        return own.get(name, set()) | (with_bases(base[name]) if base.get(name) else set())

    return {name: with_bases(name) for name in own}


def names(entity: dict) -> set[str]:
    return {name for name in entity if not name.startswith("@")} - NEWER_THAN_SCHEMA


def test_every_property_that_is_answered_is_in_the_schema(
    exchange: Exchange, properties: dict[str, set[str]]
):
    item = exchange.add_mail(1)
    client, path = exchange.client, exchange.path
    user = client.get("/v1.0/users/delta").json()["value"][0]
    expand = "$expand=singleValueExtendedProperties($filter=id eq 'String 0x0037')"
    listed = client.get(path(f"/folders/inbox/items?{expand}")).json()["value"][0]
    session = client.post(path("/createImportSession")).json()
    exchange.sandbox.add_group("acme.example", "Staff")
    with exchange.signed_in("Group.Read.All") as other:
        group = other.get("/v1.0/groups").json()["value"][0]
    ids = {"itemIds": [item, "nonsense"]}
    done, failed = client.post(path("/exportItems"), json=ids).json()["value"]
    answers = [
        ("organization", client.get("/v1.0/organization").json()["value"][0]),
        ("user", user),
        ("group", group),
        ("exchangeSettings", client.get(f"/v1.0/users/{user['id']}/settings/exchange").json()),
        ("mailboxSettings", client.get(f"/v1.0/users/{user['id']}/mailboxSettings").json()),
        ("mailboxFolder", client.get(path("/folders/delta")).json()["value"][0]),
        ("mailboxFolder", client.get(path("/folders")).json()["value"][0]),
        ("mailboxFolder", client.post(path("/folders"), json={"displayName": "New"}).json()),
        ("mailboxItem", client.get(path("/folders/inbox/items/delta")).json()["value"][0]),
        ("mailboxItem", listed),
        ("singleValueLegacyExtendedProperty", listed["singleValueExtendedProperties"][0]),
        ("mailboxItemImportSession", session),
        ("exportItemResponse", done),
        ("exportItemResponse", failed),
        ("mailTipsError", failed["error"]),
    ]
    for kind, answer in answers:
        assert names(answer) <= properties[kind], kind
        assert names(answer)


def test_every_paths_permissions_are_those_that_microsoft_lists(exchange: Exchange):
    path = GRAPH / "permissions.json"
    if not path.exists():
        pytest.skip("needs permissions.json in STOWAGE_SHARED/contracts/graph")
    listed: dict[tuple[str, str], set[str]] = {}
    for permission, record in json.loads(path.read_text()).items():
        for paths in record["pathSets"]:
            if "Application" not in paths["schemeKeys"]:
                continue
            for method in paths["methods"]:
                for where in paths["paths"]:
                    listed.setdefault((method, where.lower()), set()).add(permission)
    checked = 0
    for route in ROUTES:
        where = "/" + re.sub(r"\{\w+\}", "{id}", route.path).lower()
        # A delta function and the children of a folder go by the collection they belong to.
        where = where.removesuffix("/delta") if "/mailboxes/" in where else where
        where = where.replace("/folders/{id}/childfolders", "/folders")
        if route.path in NOT_IN_PERMISSIONS:
            continue
        assert set(route.permissions) <= listed[route.method, where], route
        checked += 1
    assert checked == len(ROUTES) - len(NOT_IN_PERMISSIONS)
