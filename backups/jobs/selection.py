"""What a job's scope selects, and which mailboxes other jobs have already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from backups.infrastructure.models import Allocation
from backups.jobs.models import Coverage, Job
from backups.organizations.models import Mailbox, Organization


@dataclass(frozen=True, slots=True)
class Protector:
    """Another job that protects a mailbox, and where."""

    job: str
    allocation: str
    repository_id: UUID


@dataclass(frozen=True, slots=True)
class Selection:
    """``taken`` are the mailboxes that other jobs protect in the same repository, by their id."""

    covered: Sequence[Mailbox]
    taken: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def first(self) -> Sequence[Mailbox]:
        return self.covered[:5]

    @property
    def more(self) -> int:
        return len(self.covered) - len(self.first)


def protectors(organization: Organization, but: Job | None) -> dict[UUID, list[Protector]]:
    """The other jobs that protect each mailbox of the organization, in any repository."""
    rows = Coverage.objects.filter(mailbox__organization=organization)
    if but is not None:
        rows = rows.exclude(job=but)
    found: dict[UUID, list[Protector]] = defaultdict(list)
    for row in rows.select_related("job__allocation").order_by("job__name"):
        found[row.mailbox_id].append(
            Protector(row.job.name, row.job.allocation.name, row.repository_id)
        )
    return dict(found)


def select(
    *,
    organization: Organization,
    allocation: Allocation,
    scope: str,
    chosen: Collection[Mailbox],
    excluded: Collection[Mailbox],
    but: Job | None,
) -> Selection:
    """What a job like this would cover now; ``but`` is the job that is being edited."""
    taken = {
        mailbox_id: other.job
        for mailbox_id, others in protectors(organization, but).items()
        for other in others
        if other.repository_id == allocation.repository_id
    }
    if scope == Job.Scope.MAILBOXES:
        return Selection(list(chosen), {row.pk: taken[row.pk] for row in chosen if row.pk in taken})
    left_out = {mailbox.pk for mailbox in excluded}
    present = Mailbox.objects.present().filter(organization=organization)
    wanted = [mailbox for mailbox in present if mailbox.pk not in left_out]
    return Selection([mailbox for mailbox in wanted if mailbox.pk not in taken], taken)
