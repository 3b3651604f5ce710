"""Folders that the provider or a job leaves out."""

from __future__ import annotations

import pytest

from backups.engine.exclusions import Exclusions, KnownFolder
from backups.jobs.models import GlobalExclusion, Job
from tenants.isolation.scope import operator_scope, tenant_scope
from tests.engine.world import World, mail

TREE = {
    "inbox": KnownFolder("Posteingang", "root", "inbox"),
    "junk": KnownFolder("Junk-E-Mail", "root", "junkemail"),
    "old": KnownFolder("Old", "junk", ""),
    "private": KnownFolder(" Private ", "inbox", ""),
    "deep": KnownFolder("Deep", "private", ""),
    "a": KnownFolder("A", "b", ""),
    "b": KnownFolder("B", "a", ""),
}


@pytest.mark.parametrize(
    ("names", "out"),
    [
        ([], set()),
        (["", "  "], set()),
        (["junkemail"], {"junk", "old"}),
        (["PRIVATE"], {"private", "deep"}),
        (["Posteingang"], {"inbox", "private", "deep"}),
        (["nothing of the kind"], set()),
        (["a"], {"a", "b"}),
    ],
)
def test_a_folder_is_left_out_by_name_or_role_with_all_below(
    names: list[str], out: set[str]
) -> None:
    assert Exclusions(names).among(TREE) == out


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_a_jobs_and_the_providers_exclusions_are_both_left_out_until_they_are_lifted(
    world: World,
) -> None:
    for folder in ("Inbox/Private/Deep", "Junk Email", "Inbox/Work"):
        world.sandbox.add_mail("mara@acme.example", folder, mail(folder.replace("/", "-")))
    with operator_scope():
        junk = GlobalExclusion.objects.using("operator").create(name="junkemail")
    with tenant_scope(world.id):
        Job.objects.filter(pk=world.job.pk).update(excluded_folders=["private"])
    world.run_job()
    assert set(world.current()) == {"mara-0", "mara-1", "mara-2", "Inbox-Work"}

    junk.delete(using="operator")
    with tenant_scope(world.id):
        Job.objects.filter(pk=world.job.pk).update(excluded_folders=[])
    world.run_job()
    assert world.payloads() == world.sandbox_payloads()


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
def test_what_is_stored_stays_when_its_folder_is_excluded_later(world: World) -> None:
    world.sandbox.add_mail("mara@acme.example", "Inbox/Private", mail("kept"))
    world.run_job()
    with tenant_scope(world.id):
        Job.objects.filter(pk=world.job.pk).update(excluded_folders=["Private"])
    world.sandbox.add_mail("mara@acme.example", "Inbox/Private", mail("not-read"))
    world.run_job()
    assert "kept" in world.current()
    assert "not-read" not in world.current()
