from __future__ import annotations

from backups.jobs.models import GlobalExclusion, Job


def excluded_folders(job: Job | None) -> list[str]:
    """Names and roles of the folders that a job leaves out: the provider's and its own.

    Inside the tenant's scope. A restore has no job, and leaves nothing out.
    """
    if job is None:
        return []
    return [*GlobalExclusion.objects.values_list("name", flat=True), *job.excluded_folders]
