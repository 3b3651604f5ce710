"""Every request that the source makes is one that Microsoft's schema allows."""

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from backups.sources.ews import Auth, transport
from backups.sources.ews.soap import Body
from tests.sandbox.ews import BODY, SCHEMAS, Schema
from tests.sources.conftest import everything
from tests.sources.exchange import Server, folders, listed


@pytest.fixture(scope="module")
def schema() -> Schema:
    if not (SCHEMAS / "Messages.xsd").exists():
        pytest.skip("needs Microsoft's schemas")
    return Schema()


@pytest.fixture
def sent(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of operations, each of them checked."""
    names: list[str] = []
    made = transport.envelope

    def check(*arguments: object) -> Body:
        body = made(*arguments)
        operation = ElementTree.fromstring(b"".join(body)).find(BODY)[0]
        schema.check(operation)
        names.append(operation.tag.partition("}")[2])
        return body

    monkeypatch.setattr(transport, "envelope", check)
    return names


def test_what_is_sent_is_as_the_schema_says(server: Server, sent: list[str]):
    source = server.connect(auth=Auth.NTLM, public_folders_through=server.address)
    server.sandbox.add_public_folders("acme.example")
    ids = server.add_mail(3)
    assert source.check()
    assert source.server().native
    mailboxes = [one.id for one in source.discover()]
    assert len(mailboxes) == 2
    changes = listed(source, server.address)
    items = list(source.export(server.address, changes))
    tree = folders(source, server.address)
    for kind in ("IPF.Note", "IPF.Appointment", "IPF.Contact", "IPF.Task", "IPF.StickyNote", ""):
        source.create_folder(server.address, tree["inbox"].id, f'A "{kind}" & <more>', kind)
    made = source.create(server.address, tree["drafts"].id, items[0].payload)
    source.matching(server.address, tree["drafts"].id, server.message_id(ids[0]))
    source.delete(server.address, made.id)
    _, cursor = everything(source, server.address, tree["inbox"].id)
    everything(source, server.address, tree["inbox"].id, cursor)
    place = source.create_folder(mailboxes[1], None, f"For {server.address}", "IPF.Note")
    folders(source, mailboxes[1])
    everything(source, mailboxes[1], place.id)
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    try:
        old = server.connect()
        for item in old.export(server.address, changes):
            old.create(server.address, tree["drafts"].id, item.payload)
    finally:
        server.sandbox.set_bulk_transfer("acme.example", supported=True)

    assert set(sent) == {
        "CreateFolder",
        "CreateItem",
        "DeleteItem",
        "ExportItems",
        "FindFolder",
        "FindItem",
        "GetFolder",
        "GetItem",
        "ResolveNames",
        "SyncFolderHierarchy",
        "SyncFolderItems",
        "UploadItems",
    }
