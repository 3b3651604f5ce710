"""The model-based test, and one story through it that is always told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from backups.jobs.retention import Mode, Retention
from tests.model.edits import Edit
from tests.model.machine import Backups
from tests.model.trouble import Trouble

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

SMALL = settings(max_examples=4, stateful_step_count=30, derandomize=True)


def test_whatever_happens_every_promised_point_reads_back() -> None:
    """With ``--hypothesis-profile=deep`` for as long as you like."""
    deep = settings.get_current_profile_name() == "deep"
    run_state_machine_as_test(
        Backups,
        settings=settings(
            settings.get_profile("deep") if deep else SMALL,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def add(subject: int, body: int = 0) -> Edit:
    return Edit("add", mailbox=0, item=subject, folder=0, body=body)


DELETE = Edit("delete", mailbox=0, item=9, folder=0, body=0)


@pytest.fixture
def story() -> Iterator[Backups]:
    """The rules called by hand, with a look at everything after each step."""
    Backups.seen.clear()
    backups = Backups()
    backups.begin(few_items=1, checkpoints=3, retention=Retention(Mode.POINTS, 1))
    yield backups
    backups.teardown()


def test_what_expired_is_collected_and_every_promise_outlives_what_follows(story: Backups) -> None:
    dies = Trouble("a commit is written", call=1, before=False)
    steps = (
        lambda: story.a_quiet_day("globex", [add(1), add(2, 2)], 1, 0),
        lambda: story.a_quiet_day("globex", [add(3, 1)], 25, 0),
        lambda: story.copy_the_catalog(),
        lambda: story.a_quiet_day("globex", [DELETE, add(4)], 25, 0),
        lambda: story.a_quiet_day("globex", [add(5)], 24 * 8, 3),
        lambda: story.put_an_older_copy_back(),
        lambda: story.a_day_on_which_a_worker_dies("globex", [add(3, 1)], 1, dies, goes_on=True),
        lambda: story.flip_a_bit(0, 0.5),
        lambda: story.verify_and_heal(),
        lambda: story.tidy_up("globex", 2),
        lambda: story.mend(),
        lambda: story.lose_the_catalog(),
        lambda: story.restore_a_point("ines@globex.example", 9),
        lambda: story.a_quiet_day("globex", [], 25, 2),
    )
    for step in steps:
        step()
        story.everything_promised_reads()
    happened = ("died", "expired", "deleted", "healed", "rebuilt", "restored")
    assert not [what for what in happened if not story.seen[what]], story.seen
