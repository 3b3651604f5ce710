"""The object store backend against moto's server, with a network in between that misbehaves."""

from __future__ import annotations

import multiprocessing
import random
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from backups.repository import (
    AlreadyExists,
    Damaged,
    NoSpace,
    NotARepository,
    NotFound,
    Repository,
    RepositoryError,
    Unavailable,
)
from backups.repository.check import check
from backups.repository.errors import Refused, UnusablePlace
from backups.repository.objects import ObjectStoreBackend, Patience
from backups.repository.place import open_backend

from . import world as world_module
from .bucket import (
    BUCKET,
    CREDENTIALS,
    PAGE,
    PASSING,
    QUICK,
    Fault,
    Front,
    backend_at,
    front_of,
    moto_server,
)
from .world import ACME, ANNA, BEN, REPOSITORY, World, raw, read_all

CONTENT = random.Random(8).randbytes(120_000)
KEY = "tenants/one/packs/ab/abcdef"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def front(store: str) -> Iterator[Front]:
    with front_of(store) as front:
        front.make_bucket(BUCKET)
        yield front


@pytest.fixture
def prefix() -> str:
    return f"one/{uuid4()}"


@pytest.fixture
def bucket(front: Front, prefix: str) -> ObjectStoreBackend:
    backend = backend_at(front, prefix)
    Repository.create(backend, REPOSITORY)
    front.requests.clear()
    return backend


def test_an_object_is_read_whole_and_in_pieces(bucket: ObjectStoreBackend) -> None:
    bucket.put_immutable(KEY, bytearray(CONTENT))
    assert bucket.get(KEY) == CONTENT
    assert bucket.get(KEY, 100, 50) == CONTENT[100:150]
    assert bucket.get(KEY, len(CONTENT) - 5) == CONTENT[-5:]
    assert bucket.get(KEY, 7, 0) == b""
    assert bucket.size(KEY) == len(CONTENT)
    assert bucket.exists(KEY)
    assert not bucket.exists("tenants/one/packs/ab/other")
    with pytest.raises(NotFound):
        bucket.get("tenants/one/packs/ab/other")
    assert bucket.free_bytes() is None


def test_an_empty_object_and_a_view_are_kept_as_they_are(bucket: ObjectStoreBackend) -> None:
    bucket.put_immutable("tenants/empty", b"")
    bucket.put_immutable("tenants/view", memoryview(CONTENT)[10:20])
    assert bucket.get("tenants/empty") == b""
    assert bucket.get("tenants/view") == CONTENT[10:20]


@pytest.mark.parametrize(
    ("offset", "length"), [(119_999, 2), (120_001, None), (0, 120_001), (120_001, 0), (5, -1)]
)
def test_fewer_bytes_than_wanted_are_damage(
    bucket: ObjectStoreBackend, offset: int, length: int | None
) -> None:
    bucket.put_immutable(KEY, CONTENT)
    with pytest.raises(Damaged, match=f"{KEY}: too short"):
        bucket.get(KEY, offset, length)


def test_a_read_takes_one_request_and_a_creation_two(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    bucket.put_immutable(KEY, CONTENT)
    bucket.get(KEY, 100, 50)
    assert [request.split()[0] for request in front.requests] == ["PUT", "HEAD", "GET"]


def test_what_goes_up_is_conditional_signed_and_has_a_checksum(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    front.headers.clear()
    bucket.put_immutable(KEY, CONTENT)
    put = {name.lower(): value for name, value in front.headers[0].items()}
    assert put["if-none-match"] == "*"
    assert put["x-amz-checksum-sha256"] == b64encode(sha256(CONTENT).digest()).decode()
    assert put["x-amz-content-sha256"] == sha256(CONTENT).hexdigest()
    assert "Credential=an-id/" in put["authorization"]


def test_what_is_given_is_not_mixed_with_the_environment(
    front: Front, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "BUCKET"):
        monkeypatch.setenv(f"AWS_{name}", "of-somebody-else")
    for name in ("SKIP_SIGNATURE", "UNSIGNED_PAYLOAD", "VIRTUAL_HOSTED_STYLE_REQUEST"):
        monkeypatch.setenv(f"AWS_{name}", "true")
    for name in ("ENDPOINT_URL_S3", "ENDPOINT_URL", "ENDPOINT"):
        monkeypatch.setenv(f"AWS_{name}", "http://127.0.0.1:9")
    backend = backend_at(front, prefix)
    Repository.create(backend, REPOSITORY)
    assert Repository.open(backend).id == REPOSITORY
    for headers in ({k.lower(): v for k, v in one.items()} for one in front.headers[1:]):
        assert re.search(r"Credential=an-id/\d+/us-east-1/s3", headers["authorization"])
        assert "x-amz-security-token" not in headers
        assert headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"


def test_nothing_is_ever_overwritten(bucket: ObjectStoreBackend) -> None:
    bucket.put_immutable(KEY, b"first")
    for content in (b"second", b"first", b"first and more"):
        with pytest.raises(AlreadyExists, match=KEY):
            bucket.put_immutable(KEY, content)
    assert bucket.get(KEY) == b"first"


def test_a_listing_is_complete_over_many_pages(front: Front, bucket: ObjectStoreBackend) -> None:
    names = [f"tenants/one/keys/{n:02}" for n in range(3 * PAGE)]
    for name in (*names, "tenants/one/keysake", "tenants/two/keys/00"):
        bucket.put_immutable(name, b"x")
    assert list(bucket.list("tenants/one/keys/")) == names
    assert list(bucket.list("tenants/one/keys/1")) == names[10:12]
    assert list(bucket.list("tenants/three/")) == []
    assert len(list(bucket.list(""))) == len(names) + 3
    assert list(bucket.list("tenants/one/keys")) == [*names, "tenants/one/keysake"]


def test_folders_are_asked_for_without_what_lies_in_them(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    names = [f"t{n:02}" for n in range(PAGE + 1)]
    for name in names:
        for n in range(PAGE):
            bucket.put_immutable(f"tenants/{name}/keys/{n}", b"x" * n)
    bucket.put_immutable("tenants/a-file", b"x")
    front.requests.clear()
    assert bucket.folders("tenants/") == names
    pages = [request for request in front.requests if "list-type" in request]
    assert len(pages) < len(names)
    assert bucket.folders("tenants/t00/keys/") == bucket.folders("tenants/none/") == []
    assert dict(bucket.sizes("tenants/t01/")) == {f"tenants/t01/keys/{n}": n for n in range(PAGE)}


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.DENY, Fault.HANG_UP])
def test_a_listing_of_folders_that_fails_on_its_second_page_is_no_end(
    front: Front, bucket: ObjectStoreBackend, fault: Fault
) -> None:
    for n in range(3 * PAGE):
        bucket.put_immutable(f"tenants/{n:02}/key", b"x")
    front.order(fault, "GET continuation-token", times=20)
    with pytest.raises(Unavailable):
        bucket.folders("tenants/")


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.DENY, Fault.HANG_UP, Fault.FIRST_PAGE_AGAIN])
def test_a_listing_that_fails_on_its_second_page_is_no_end(
    front: Front, bucket: ObjectStoreBackend, fault: Fault
) -> None:
    for n in range(3 * PAGE):
        bucket.put_immutable(f"tenants/one/keys/{n:02}", b"x")
    front.order(fault, "GET continuation-token", times=20)
    with pytest.raises(Unavailable):
        list(bucket.list("tenants/one/keys/"))


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.HANG_UP, Fault.SLOW_DOWN, Fault.TOO_MANY])
def test_one_failure_of_a_reading_request_is_not_even_noticed(
    front: Front, bucket: ObjectStoreBackend, fault: Fault
) -> None:
    bucket.put_immutable(KEY, CONTENT)
    for method in ("GET", "HEAD", "DELETE"):
        front.order(fault, method)
    assert bucket.get(KEY) == CONTENT
    assert bucket.size(KEY) == len(CONTENT)
    bucket.delete(KEY)
    front.order(fault, "GET list-type")
    assert list(bucket.list("")) == ["stowage.json"]
    front.order(fault, "GET delimiter")
    assert bucket.folders("") == []


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("times", [1, 2])
def test_an_upload_that_fails_is_done_in_the_end_and_whole(
    front: Front, bucket: ObjectStoreBackend, fault: Fault, times: int
) -> None:
    front.order(fault, "PUT", times=times)
    bucket.put_immutable(KEY, CONTENT)
    assert bucket.get(KEY) == CONTENT


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.CUT_OFF, Fault.CONFLICT])
def test_an_upload_that_never_works_is_unavailable_and_leaves_nothing(
    front: Front, bucket: ObjectStoreBackend, fault: Fault
) -> None:
    front.order(fault, "PUT", times=QUICK.attempts)
    with pytest.raises(Unavailable, match=KEY):
        bucket.put_immutable(KEY, CONTENT)
    assert not bucket.exists(KEY)
    bucket.put_immutable(KEY, CONTENT)
    assert bucket.get(KEY) == CONTENT


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.LOSE_ANSWER, Fault.HANG_UP])
def test_somebody_elses_object_is_not_taken_for_ones_own_after_a_failure(
    front: Front, prefix: str, bucket: ObjectStoreBackend, fault: Fault
) -> None:
    other = backend_at(front, prefix)
    other.put_immutable(KEY, CONTENT[::-1])
    front.order(fault, "PUT")
    with pytest.raises(AlreadyExists):
        bucket.put_immutable(KEY, CONTENT)
    assert bucket.get(KEY) == CONTENT[::-1]


def test_pauses_grow_up_to_a_limit_and_are_drawn_by_chance() -> None:
    patience = Patience(attempts=8, first_pause=1, longest_pause=10)
    drawn = [list(patience.pauses()) for _ in range(20)]
    for pauses in drawn:
        assert len(pauses) == 8
        for pause, limit in zip(pauses, [1, 2, 4, 8, 10, 10, 10, 10], strict=True):
            assert 0 <= pause <= limit
    assert len({tuple(pauses) for pauses in drawn}) == 20
    assert max(max(pauses) for pauses in drawn) > 2


def test_refusal_and_a_full_store_are_said_at_once(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    front.order(Fault.DENY, "PUT")
    with pytest.raises(Refused, match=f"{KEY}.*AccessDenied"):
        bucket.put_immutable(KEY, CONTENT)
    front.order(Fault.FULL, "PUT")
    with pytest.raises(NoSpace, match=f"{KEY}.*XMinioStorageFull"):
        bucket.put_immutable(KEY, CONTENT)
    assert sum(request.startswith("PUT") for request in front.requests) == 2
    assert not bucket.exists(KEY)


def test_a_store_that_falls_silent_is_given_up(front: Front, prefix: str) -> None:
    Repository.create(backend_at(front, prefix), REPOSITORY)
    hasty = backend_at(front, prefix, Patience(2, 0.001, 0.001, transfer=0.3, silence=0.1))
    front.order(Fault.STALL, "PUT", times=2)
    with pytest.raises(Unavailable):
        hasty.put_immutable(KEY, CONTENT)
    front.order(Fault.STALL, "GET", times=5)
    with pytest.raises(Unavailable):
        hasty.get("stowage.json")


def test_an_answer_that_breaks_off_never_counts_as_the_object(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    bucket.put_immutable(KEY, CONTENT)
    front.order(Fault.SHORT_ANSWER, "GET")
    assert bucket.get(KEY) == CONTENT
    front.order(Fault.SHORT_ANSWER, "GET", times=30)
    with pytest.raises((Unavailable, Damaged)):
        bucket.get(KEY)


def test_what_was_cut_off_and_may_not_be_removed_is_never_called_stored(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    front.order(Fault.CUT_OFF, "PUT")
    front.order(Fault.DENY, "DELETE")
    with pytest.raises(Refused, match=f"{KEY}.*AccessDenied"):
        bucket.put_immutable(KEY, CONTENT)


def test_delete_takes_one_object_and_says_when_it_may_not(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    bucket.put_immutable(KEY, b"x")
    front.order(Fault.DENY, "DELETE")
    with pytest.raises(Refused, match=f"{KEY}.*AccessDenied"):
        bucket.delete(KEY)
    assert bucket.get(KEY) == b"x"
    front.order(Fault.LOSE_ANSWER, "DELETE")
    bucket.delete(KEY)
    with pytest.raises(NotFound):
        bucket.delete(KEY)


def test_the_wrong_bucket_or_prefix_is_not_an_empty_repository(
    front: Front, bucket: ObjectStoreBackend
) -> None:
    wrong = ObjectStoreBackend.s3(
        "no-such-bucket", "", endpoint=front.url, region="us-east-1", credentials=CREDENTIALS
    )
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        Repository.open(wrong)
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        Repository.create(wrong, REPOSITORY)
    empty = backend_at(front, "elsewhere")
    with pytest.raises(NotARepository):
        Repository.open(empty)
    for use in (
        lambda: empty.get(KEY),
        lambda: empty.exists(KEY),
        lambda: list(empty.list("tenants/")),
        lambda: empty.put_immutable(KEY, b"x"),
        lambda: empty.delete(KEY),
    ):
        with pytest.raises(Unavailable, match="right bucket and prefix"):
            use()


def test_creating_refuses_what_is_there(
    front: Front, prefix: str, bucket: ObjectStoreBackend
) -> None:
    with pytest.raises(AlreadyExists):
        Repository.create(bucket, REPOSITORY)
    assert Repository.open_or_create(bucket, REPOSITORY).id == REPOSITORY
    bucket.put_immutable(KEY, b"x")
    bucket.delete("stowage.json")
    with pytest.raises(RepositoryError, match="bring it back"):
        Repository.create(backend_at(front, prefix), ACME)


def test_a_store_that_ignores_conditions_is_refused_and_left_as_it_was(
    front: Front, prefix: str
) -> None:
    front.order(Fault.UNCONDITIONAL, "PUT", times=2)
    backend = backend_at(front, prefix)
    with pytest.raises(UnusablePlace, match="in spite of If-None-Match"):
        Repository.create(backend, REPOSITORY)
    with pytest.raises(NotARepository):
        Repository.open(backend)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.hidden", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(bucket: ObjectStoreBackend, key: str) -> None:
    for use in (bucket.get, bucket.size, bucket.delete, lambda key: bucket.put_immutable(key, b"")):
        with pytest.raises(RepositoryError, match="can't be the name"):
            use(key)


def test_two_mailboxes_are_backed_up_and_read_back_by_url_alone(
    front: Front, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/{prefix}?endpoint={front.url}&region=us-east-1"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CREDENTIALS["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS["secret_access_key"])
    monkeypatch.setattr(world_module, "FolderBackend", lambda path: open_backend(url))
    world = World(tmp_path)
    world.back_up(ANNA, {"first": raw(CONTENT), "second": raw(b"hello")})
    world.back_up(BEN, {"copy": raw(CONTENT)})
    world.back_up(ANNA, {"late": raw(b"sorry")}, removed=["second"])
    vault = world.reopened()
    assert read_all(vault, ANNA) == {"first": CONTENT, "late": b"sorry"}
    assert read_all(vault, ANNA, 1) == {"first": CONTENT, "second": b"hello"}
    assert read_all(vault, BEN) == {"copy": CONTENT}
    assert check(world.repository, world.root).findings == []
    # A listing that ends too early hides the last commits only from those who trust it.
    for _ in range(PAGE):
        world.back_up(ANNA, {})
    front.order(Fault.LAST_PAGE_TOO_EARLY, "GET list-type")
    assert world.head(ANNA)[0] == 2 + PAGE
    assert front.orders == []


def test_lost_answers_in_a_backup_double_nothing_and_lose_nothing(
    front: Front, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "FolderBackend", lambda path: backend_at(front, prefix))
    world = World(tmp_path)
    front.order(Fault.LOSE_ANSWER, "PUT", times=40)
    world.back_up(ANNA, {"first": raw(CONTENT)})
    world.back_up(ANNA, {"second": raw(CONTENT[::-1])})
    assert read_all(world.reopened(), ANNA) == {"first": CONTENT, "second": CONTENT[::-1]}
    assert world.head(ANNA)[0] == 2


def _size_in_child(backend: ObjectStoreBackend, answers: object) -> None:
    try:
        backend.size("stowage.json")
    except RepositoryError as error:
        answers.put(str(error))  # type: ignore[attr-defined]


def test_a_forked_child_is_told_instead_of_waiting_for_ever(bucket: ObjectStoreBackend) -> None:
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=_size_in_child, args=(bucket, answers))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert "before this process was forked" in answers.get()
