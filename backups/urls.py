from __future__ import annotations

from django.urls import path

from backups.catalog import views as catalog
from backups.infrastructure import views as infrastructure
from backups.jobs import views as jobs
from backups.organizations import views as organizations
from backups.restores import views as restores
from backups.sessions import views as sessions

app_name = "backups"

TENANT = "t/<slug:slug>/"
ORGANIZATION = f"{TENANT}organizations/<uuid:organization_id>/"
JOB = f"{TENANT}jobs/<uuid:job_id>/"
MAILBOX = f"{TENANT}mailboxes/<uuid:mailbox_id>/"

urlpatterns = [
    path(f"{TENANT}organizations/", organizations.organization_list, name="organizations"),
    path(ORGANIZATION, organizations.organization_detail, name="organization"),
    path(f"{TENANT}organizations/new/", organizations.connect, name="organization-new"),
    path(f"{ORGANIZATION}edit/", organizations.edit, name="organization-edit"),
    path(f"{ORGANIZATION}check/", organizations.check, name="organization-check"),
    path(f"{ORGANIZATION}remove/", organizations.remove, name="organization-remove"),
    path(f"{TENANT}infrastructure/", infrastructure.infrastructure, name="infrastructure"),
    path(f"{TENANT}jobs/new/", jobs.new, name="job-new"),
    path(f"{TENANT}jobs/preview/", jobs.preview, name="job-preview"),
    path(JOB, jobs.job_detail, name="job"),
    path(f"{JOB}edit/", jobs.edit, name="job-edit"),
    path(f"{JOB}remove/", jobs.remove, name="job-remove"),
    path(f"{JOB}start/", jobs.start, name="job-start"),
    path(f"{JOB}stop/", jobs.stop, name="job-stop"),
    path(f"{JOB}enable/", jobs.enable, name="job-enable"),
    path(f"{JOB}disable/", jobs.disable, name="job-disable"),
    path(f"{TENANT}sessions/", sessions.session_list, name="sessions"),
    path(f"{TENANT}sessions/<uuid:session_id>/", sessions.session_detail, name="session"),
    path(MAILBOX, catalog.mailbox, name="mailbox"),
    path(f"{MAILBOX}restore/", restores.restore, name="restore"),
    path(
        "operator/organizations/",
        organizations.operator_organizations,
        name="operator-organizations",
    ),
    path(
        "operator/infrastructure/",
        infrastructure.operator_infrastructure,
        name="operator-infrastructure",
    ),
    path("operator/sessions/", sessions.operator_sessions, name="operator-sessions"),
]
