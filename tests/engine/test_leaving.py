"""A tenant leaves: its mail is written out where there is no portal, no database and no Django."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from backups.infrastructure.keys import open_vault
from backups.repository import Cost, FolderBackend, write_recovery
from tenants.isolation.scope import tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ROOT = Path(__file__).resolve().parents[2]
ALONE = """
import sys
for name in ("django", "psycopg", "celery", "portal", "tenants", "sandbox"):
    sys.modules[name] = None
from backups.standalone.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command in a process that could not import what the portal is made of."""


def export(world: World, to: Path, *key: str) -> dict[str, dict[str, str]]:
    """Item id → SHA-256 of the file and folder, by mailbox, as the files themselves say."""
    arguments = ["export", world.repository.location, *key, "--to", str(to)]
    run = subprocess.run(
        [sys.executable, "-c", ALONE, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    found: dict[str, dict[str, str]] = {}
    for line in (to / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        content = (to / entry["file"]).read_bytes()
        found.setdefault(entry["mailbox"], {})[entry["item_id"]] = hashlib.sha256(
            content
        ).hexdigest()
    return found


def source(world: World) -> dict[str, dict[str, str]]:
    """The same of what the Exchange holds."""
    return {
        str(world.mailbox(address).pk): {
            item_id: hashlib.sha256(payload).hexdigest()
            for item_id, payload in world.sandbox_payloads(address).items()
        }
        for address in (MARA, JUN)
    }


def test_the_command_alone_gives_every_byte(world: World, tmp_path: Path) -> None:
    world.add("Inbox/Projects", "plan", "idea")
    world.run_job()
    store = world.sandbox.store
    store.delete_item(world.source_mailbox(), world.current()["mara-0"].item_id, hard=True)
    world.run_job()
    root_key = str(settings.ROOT_KEY_FILE)
    assert export(world, tmp_path / "by key", "--root-key-file", root_key) == source(world)

    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
    place = FolderBackend(Path(world.repository.location))
    passphrase = "correct horse battery staple"
    write_recovery(place, world.id, vault.keys, passphrase, Cost(memory=64, passes=1, lanes=1))
    file = tmp_path / "passphrase"
    file.write_text(passphrase)
    file.chmod(0o600)
    option = ("--recovery-passphrase-file", str(file))
    assert export(world, tmp_path / "by passphrase", *option) == source(world)
