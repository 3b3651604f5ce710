"""Half a schedule is refused by the database too, whatever the code in front of it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError

from backups.jobs.models import Job
from tenants.isolation.scope import tenant_scope
from tests.cast import make_cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.mark.parametrize(
    "half",
    [
        {"schedule": "interval"},
        {"schedule": "interval", "interval_minutes": 4},
        {"schedule": "daily"},
        {"schedule": "manual", "interval_minutes": 60},
    ],
)
def test_half_a_schedule_is_refused(tmp_path: Path, half: dict[str, object]) -> None:
    acme = make_cast(tmp_path).acme
    with pytest.raises(IntegrityError, match="schedule_is_complete"), tenant_scope(acme.id):
        Job.objects.filter(pk=acme.job.pk).update(**half)
