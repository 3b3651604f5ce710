from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django import forms

from backups.infrastructure.models import Allocation
from backups.jobs.editing import LONGEST_INTERVAL, SHORTEST_INTERVAL, Policy
from backups.jobs.models import Job
from backups.jobs.retention import MOST, Mode, Retention, Unit
from backups.jobs.selection import Protector, protectors
from backups.organizations.models import Mailbox, Organization


@dataclass(frozen=True, slots=True)
class MailboxChoice:
    """A mailbox as a line with a check box; ``others`` are the jobs that protect it already."""

    mailbox: Mailbox
    checked: bool
    others: list[Protector]


class JobForm(forms.Form):
    """The policy of a job of one organization; ``job`` is the one that is edited."""

    name = forms.CharField(max_length=200)
    allocation: forms.ModelChoiceField[Allocation] = forms.ModelChoiceField(
        None, label="Writes to", empty_label=None
    )
    scope = forms.ChoiceField(label="Protects", choices=Job.Scope.choices, widget=forms.RadioSelect)
    mailboxes: forms.ModelMultipleChoiceField[Mailbox] = forms.ModelMultipleChoiceField(
        None, label="Mailboxes to protect", required=False
    )
    excluded: forms.ModelMultipleChoiceField[Mailbox] = forms.ModelMultipleChoiceField(
        None, label="Mailboxes to leave out", required=False
    )
    excluded_folders = forms.CharField(
        label="Folders to leave out",
        required=False,
        max_length=20_000,
        widget=forms.Textarea({"rows": 3}),
        help_text="One name a line, such as Junk Email; all folders below it are left out too. Or a"
        " role: archivemsgfolderroot for archives, recoverableitemsdeletions for what was deleted.",
    )
    schedule = forms.ChoiceField(
        label="Runs", choices=Job.Schedule.choices, widget=forms.RadioSelect
    )
    interval_minutes = forms.IntegerField(
        label="Minutes between two runs",
        required=False,
        min_value=SHORTEST_INTERVAL,
        max_value=LONGEST_INTERVAL,
    )
    daily_at = forms.TimeField(
        label="Time of day",
        required=False,
        widget=forms.TimeInput({"type": "time"}, format="%H:%M"),
    )
    retention_mode = forms.ChoiceField(
        label="Keeps",
        choices=Mode.choices,
        required=False,
        widget=forms.RadioSelect,
        help_text="The newest restore point of a mailbox always stays, and so does everything of"
        " a mailbox under legal hold.",
    )
    retention_count = forms.IntegerField(
        label="For how long", required=False, min_value=1, max_value=max(MOST.values())
    )
    retention_unit = forms.ChoiceField(
        label="Days, months or years", choices=Unit.choices, required=False
    )

    def __init__(
        self,
        data: object = None,
        *,
        organization: Organization,
        job: Job | None = None,
        time_zone: str = "",
    ) -> None:
        super().__init__(data, initial=_initial(job))  # type: ignore[arg-type]
        self._organization, self._job = organization, job
        self._present = Mailbox.objects.present().filter(organization=organization)
        allocations = self.fields["allocation"]
        assert isinstance(allocations, forms.ModelChoiceField)  # noqa: S101
        allocations.queryset = Allocation.objects.all()
        for name in ("mailboxes", "excluded"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelMultipleChoiceField)  # noqa: S101
            field.queryset = self._present
        self.fields["daily_at"].help_text = f"In the time zone {time_zone}." if time_zone else ""

    def clean_excluded_folders(self) -> list[str]:
        lines = str(self.cleaned_data["excluded_folders"]).splitlines()
        return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

    def clean(self) -> dict[str, object]:
        """A value of a schedule that is not chosen is left out: its field is not even shown."""
        schedule = self.cleaned_data.get("schedule")
        for name, kind in (
            ("interval_minutes", Job.Schedule.INTERVAL),
            ("daily_at", Job.Schedule.DAILY),
        ):
            if schedule != kind:
                self.cleaned_data[name] = None
                self.errors.pop(name, None)
        if (self.cleaned_data.get("retention_mode") or Mode.FOREVER) == Mode.FOREVER:
            self.cleaned_data["retention_count"] = None
            self.errors.pop("retention_count", None)
        return self.cleaned_data

    def retention(self) -> Retention | None:
        """What is chosen, as far as it makes sense."""
        values = self.cleaned_data
        chosen = Retention(
            values.get("retention_mode") or Mode.FOREVER,
            values.get("retention_count"),
            values.get("retention_unit") or Unit.DAYS,
        )
        return None if chosen.problem() else chosen

    def policy(self) -> Policy:
        """Of a valid form."""
        values = self.cleaned_data
        return Policy(
            name=values["name"],
            allocation=values["allocation"],
            scope=values["scope"],
            mailboxes=list(values["mailboxes"]),
            excluded=list(values["excluded"]),
            excluded_folders=values["excluded_folders"],
            schedule=values["schedule"],
            interval_minutes=values["interval_minutes"],
            daily_at=values["daily_at"],
            retention=Retention(
                values["retention_mode"] or Mode.FOREVER,
                values["retention_count"],
                values["retention_unit"] or Unit.DAYS,
            ),
        )

    def choices(self) -> dict[str, list[MailboxChoice]]:
        """The check boxes of ``mailboxes`` and ``excluded``, ticked as they were sent or stored."""
        others = protectors(self._organization, self._job)
        present = list(self._present)
        return {
            name: [
                MailboxChoice(row, str(row.pk) in self._ticked(name), others.get(row.pk, []))
                for row in present
            ]
            for name in ("mailboxes", "excluded")
        }

    def _ticked(self, name: str) -> set[str]:
        return {str(value) for value in self[name].value() or ()}


def _initial(job: Job | None) -> dict[str, object]:
    if job is None:
        return {
            "scope": Job.Scope.ORGANIZATION,
            "schedule": Job.Schedule.DAILY,
            "daily_at": "22:00",
            "interval_minutes": 60,
            "retention_mode": Mode.FOREVER,
            "retention_count": 1,
            "retention_unit": Unit.YEARS,
        }
    covered: list[UUID] = []
    if job.scope == Job.Scope.MAILBOXES:
        covered = list(job.coverage.values_list("mailbox_id", flat=True))
    return {
        "name": job.name,
        "allocation": job.allocation_id,
        "scope": job.scope,
        "mailboxes": covered,
        "excluded": list(job.excluded_mailboxes.values_list("mailbox_id", flat=True)),
        "excluded_folders": "\n".join(job.excluded_folders),
        "schedule": job.schedule,
        "interval_minutes": job.interval_minutes,
        "daily_at": job.daily_at,
        "retention_mode": job.retention_mode,
        "retention_count": job.retention_count,
        "retention_unit": job.retention_unit,
    }
