"""What the operator sets up: proxies, repositories, shares, exclusions."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.infrastructure.models import Allocation, Proxy, Repository
from backups.jobs.models import GlobalExclusion
from backups.sessions import services as queue
from backups.sessions.models import State, Task
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

HUGE = "x" * 10_240
REPOSITORY = "/operator/repositories/new/"
ALLOCATION = "/operator/allocations/new/"
EXCLUSIONS = "/operator/exclusions/"


def proxy_of(cast: Cast) -> Proxy:
    return Proxy.objects.using("operator").get(pk=cast.repository.proxy_id)


def test_a_new_proxy_shows_the_command_that_starts_it(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    sent = {"name": "Remote office", "tasks_at_once": "3"}
    page = client.post("/operator/proxies/new/", sent, follow=True).content.decode()
    assert "manage.py proxy run &#x27;Remote office&#x27;" in page
    assert Proxy.objects.using("operator").get(name="Remote office").tasks_at_once == 3
    assert b"Remote office" in client.get("/operator/infrastructure/").content


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": HUGE}, "at most 100 characters"),
        ({"name": "DEFAULT PROXY"}, "There is a proxy DEFAULT PROXY already"),
        ({"name": "--help"}, "no hyphen first"),
        ({"name": "a;rm -rf"}, "Use letters, digits"),
        ({"tasks_at_once": "0"}, "greater than or equal to 1"),
        ({"tasks_at_once": "33"}, "less than or equal to 32"),
        ({"tasks_at_once": "two"}, "Enter a whole number"),
    ],
)
def test_a_wrong_proxy_is_refused_beside_the_field(
    cast: Cast, sign_in: SignIn, changed: dict[str, str], message: str
) -> None:
    sent = {"name": "Remote", "tasks_at_once": "7", **changed}
    page = sign_in(cast.operator).post("/operator/proxies/new/", sent).content.decode()
    assert message in page
    assert 'aria-invalid="true"' in page
    assert f'value="{sent["tasks_at_once"]}"' in page
    assert Proxy.objects.using("operator").count() == 1


def test_a_proxy_in_maintenance_claims_nothing_until_it_is_back(
    cast: Cast, sign_in: SignIn
) -> None:
    proxy, client = proxy_of(cast), sign_in(cast.operator)
    path = f"/operator/proxies/{proxy.pk}/"
    with tenant_scope(cast.acme.id):
        Task.objects.filter(pk=cast.acme.task.pk).update(
            state=State.QUEUED, queue=proxy.queue, ended_at=None
        )
    sent = {"name": proxy.name, "tasks_at_once": "4"}
    client.post(path, {**sent, "maintenance": "on"})
    assert proxy_of(cast).state == Proxy.State.MAINTENANCE
    assert queue.claim(queue=proxy.queue, owner="test") == []
    client.post(path, sent)
    assert proxy_of(cast).state == Proxy.State.READY
    assert [c.task_id for c in queue.claim(queue=proxy.queue, owner="test")] == [cast.acme.task.pk]


def test_the_command_of_a_proxy_becomes_its_worker(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, environment: started.append(command))
    proxy = proxy_of(cast)
    call_command("proxy", "run", proxy.name, stdout=StringIO())
    command = started[0]
    assert command[command.index("-Q") + 1] == proxy.queue
    assert command[command.index("-c") + 1] == str(proxy.tasks_at_once)
    with pytest.raises(CommandError, match=r"There is no proxy Nobody\. Proxies: Default proxy"):
        call_command("proxy", "run", "Nobody")


def test_a_repository_is_made_and_tried(cast: Cast, sign_in: SignIn, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    sent = {"proxy": str(cast.repository.proxy_id), "name": "Archive", "folder": str(folder)}
    page = sign_in(cast.operator).post(REPOSITORY, sent, follow=True).content.decode()
    assert "Archive is ready" in page
    assert (folder / "stowage.json").exists()
    assert Repository.objects.using("operator").get(name="Archive").free_bytes


def folders(cast: Cast, tmp_path: Path) -> dict[str, str]:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "something").touch()
    file.touch()
    return {
        "relative/path": "Write the whole path",
        str(full): "The folder is not empty",
        str(file): "is a file, not a folder",
        str(file / "below"): "is a file, not a folder",
        cast.repository.location: "There is a repository in this folder already",
        f"{cast.repository.location}/inside": "This is inside the repository",
        f"{cast.repository.location}/x/../inside": "This is inside the repository",
        str(Path(cast.repository.location).parent): "is inside this folder",
        "/proc/stowage": "/proc",
        "/" + "x" * 300: "This path cannot be used",
        "/" + HUGE: "at most 1000 characters",
        "/a\0b": "Null characters are not allowed",
        "": "This field is required",
    }


def test_a_folder_that_cannot_be_used_is_refused_beside_the_field(
    cast: Cast, sign_in: SignIn, tmp_path: Path
) -> None:
    client = sign_in(cast.operator)
    for folder, message in folders(cast, tmp_path).items():
        sent = {"proxy": str(cast.repository.proxy_id), "name": "Archive", "folder": folder}
        response = client.post(REPOSITORY, sent)
        page = response.content.decode()
        assert message in page, (folder[:60], page[page.find("invalid-feedback") :][:300])
        assert 'value="Archive"' in page
        assert 'aria-invalid="true"' in page
    assert Repository.objects.using("operator").count() == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(
    cast: Cast, sign_in: SignIn, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    sent = {"proxy": str(cast.repository.proxy_id), "name": "A", "folder": str(closed / "new")}
    page = sign_in(cast.operator).post(REPOSITORY, sent).content.decode()
    assert f"may not write in {closed}" in page


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "MAIN repository"}, "There is a repository MAIN repository already"),
        ({"name": HUGE}, "at most 100 characters"),
        ({"proxy": "018f0000-0000-7000-8000-000000000000"}, "Select a valid choice"),
        ({"proxy": ""}, "This field is required"),
    ],
)
def test_a_wrong_repository_is_refused_and_leaves_no_folder(
    cast: Cast, sign_in: SignIn, tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    folder = tmp_path / "new"
    sent = {"proxy": str(cast.repository.proxy_id), "name": "A", "folder": str(folder), **changed}
    page = sign_in(cast.operator).post(REPOSITORY, sent).content.decode()
    assert message in page
    assert f'value="{folder}"' in page
    assert not folder.exists()


def test_a_share_is_allocated_once_and_its_quota_changed(
    cast: Cast, sign_in: SignIn, tmp_path: Path
) -> None:
    client = sign_in(cast.operator)
    sent = {"proxy": str(cast.repository.proxy_id), "name": "B", "folder": str(tmp_path / "b")}
    client.post(REPOSITORY, sent)
    second = Repository.objects.using("operator").get(name="B")
    share = {"tenant": str(cast.acme.id), "repository": str(second.pk), "name": "Second share"}
    assert b"Second share" in client.post(ALLOCATION, share, follow=True).content
    assert b"has a share of it already" in client.post(ALLOCATION, share).content
    with tenant_scope(cast.acme.id):
        made = Allocation.objects.get(name="Second share")
    assert made.quota_bytes is None
    path = f"/operator/allocations/{made.pk}/"
    assert b"greater than or equal" in client.post(path, {"name": "S", "quota": "-1"}).content
    client.post(path, {"name": "Second", "quota": "12", "percent": "20", "sample_days": ""})
    with tenant_scope(cast.acme.id):
        made.refresh_from_db()
    assert (made.name, made.quota_bytes) == ("Second", 12 * 1024**3)
    assert (made.verify_percent, made.verify_sample_days) == (20, None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tenant": ""}, "This field is required"),
        ({"tenant": "018f0000-0000-7000-8000-000000000000"}, "Select a valid choice"),
        ({"repository": "nonsense"}, "is not a valid UUID"),
        ({"name": ""}, "This field is required"),
        ({"name": HUGE}, "at most 100 characters"),
        ({"quota": "1e3"}, "Enter a whole number"),
    ],
)
def test_a_wrong_share_is_refused_beside_the_field(
    cast: Cast, sign_in: SignIn, changed: dict[str, str], message: str
) -> None:
    sent = {
        "tenant": str(cast.acme.id),
        "repository": str(cast.repository.pk),
        "name": "Another",
        **changed,
    }
    page = sign_in(cast.operator).post(ALLOCATION, sent).content.decode()
    assert message in page
    assert 'aria-invalid="true"' in page
    assert Allocation.objects.using("operator").count() == 2


def test_a_folder_is_left_out_and_taken_back(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    assert b"Nothing is left out" in client.get(EXCLUSIONS).content
    client.post(EXCLUSIONS, {"name": "junkemail"})
    page = client.post(EXCLUSIONS, {"name": "JunkEmail"}).content.decode()
    assert "JunkEmail is in the list already" in page
    assert 'value="JunkEmail"' in page
    row = GlobalExclusion.objects.using("operator").get()
    client.post(f"{EXCLUSIONS}{row.pk}/remove/")
    assert not GlobalExclusion.objects.using("operator").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "required"), ("   ", "required"), (HUGE, "at most 255"), ("a\0b", "Null characters")],
)
def test_a_wrong_exclusion_is_refused(cast: Cast, sign_in: SignIn, name: str, message: str) -> None:
    page = sign_in(cast.operator).post(EXCLUSIONS, {"name": name}).content.decode()
    assert message in page
    assert not GlobalExclusion.objects.using("operator").exists()
