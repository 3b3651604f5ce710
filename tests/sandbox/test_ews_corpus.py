"""Real mail, events and contacts out of the sandbox's Exchange Server and back into it."""

import base64
import os
from pathlib import Path

import pytest

from backups.streams import normalised_digest
from sandbox.load import load_folder
from tests.sandbox.ews import (
    M,
    Server,
    T,
    codes,
    distinguished,
    export,
    find_folder,
    get_item,
    ids,
    state_of,
    sync,
    upload,
)

CORPUS = os.environ.get("STOWAGE_CORPUS", "")
ONE_IN = int(os.environ.get("STOWAGE_CORPUS_ONE_IN", "50"))
KINDS = ("*.eml", "*.ics", "*.vcf", "*.msg")
ALL = (
    "<ItemShape><t:BaseShape>AllProperties</t:BaseShape>"
    "<t:IncludeMimeContent>true</t:IncludeMimeContent></ItemShape>"
)


SHAPE = "<ItemShape><t:BaseShape>Default</t:BaseShape></ItemShape>"


def every_item(server: Server) -> list[str]:
    """Ids of all items of Anna's mailbox, folder by folder."""
    tree = server.call(find_folder(distinguished("msgfolderroot"), "Deep"))
    found = []
    for folder in tree.iter(f"{T}FolderId"):
        named, state, last = f'<t:FolderId Id="{folder.get("Id")}"/>', "", False
        while not last:
            page = server.call(sync(named, state))
            found += ids(page)
            state = state_of(page)
            last = next(page.iter(f"{M}IncludesLastItemInRange")).text == "true"
    return found


def exported(server: Server, name: str, address: str) -> bytes:
    answer = server.call(export(name), address)
    return base64.b64decode(next(answer.iter(f"{M}Data")).text, validate=True)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="needs real mail in STOWAGE_CORPUS")
def test_real_items_fit_the_schema_and_survive_the_round_trip(server: Server, tmp_path: Path):
    files = [path for kind in KINDS for path in sorted(Path(CORPUS).rglob(kind))[::ONE_IN]]
    for number, path in enumerate(files):
        (tmp_path / f"{number}{path.suffix}").symlink_to(path)
    report = load_folder(server.sandbox.store, [server.mailbox], tmp_path)
    assert report.loaded > 0.95 * report.found > 0
    other = server.sandbox.add_mailbox("copy@acme.example", on_server=True)
    inbox = server.call(
        "<GetFolder><FolderShape><t:BaseShape>IdOnly</t:BaseShape></FolderShape><FolderIds>"
        '<t:DistinguishedFolderId Id="inbox"/></FolderIds></GetFolder>',
        other.address,
    )
    target = f'<t:FolderId Id="{next(inbox.iter(f"{T}FolderId")).get("Id")}"/>'
    same, unwritable = 0, []
    for name in every_item(server):
        shown = server.call(get_item(name).replace(SHAPE, ALL))
        unwritable += [code for code in codes(shown) if code != "NoError"]
        payload = exported(server, name, server.address)
        made = server.call(upload(target, payload), other.address)
        copy = next(made.iter(f"{M}ItemId")).get("Id")
        back = exported(server, copy, other.address)
        same += normalised_digest(back) == normalised_digest(payload)
    assert same == report.loaded
    # Some events have no date: no calendar file can be made of them.
    assert set(unwritable) <= {"ErrorMimeContentConversionFailed"}
    assert len(unwritable) < 0.01 * same
