from __future__ import annotations

from django.urls import path

from backups.catalog import views as catalog
from backups.destruction import views as destruction
from backups.infrastructure import setup_views as setup
from backups.infrastructure import tenant_views as tenants
from backups.infrastructure import views as infrastructure
from backups.jobs import views as jobs
from backups.organizations import server_views as servers
from backups.organizations import views as organizations
from backups.restores import basket_views as basket
from backups.restores import download_views as downloads
from backups.restores import item_views as items
from backups.restores import views as restores
from backups.retention import collection_views as collections
from backups.retention import views as retention
from backups.sessions import views as sessions
from backups.verifications import views as verifications

app_name = "backups"

TENANT = "t/<slug:slug>/"
ORGANIZATION = f"{TENANT}organizations/<uuid:organization_id>/"
JOB = f"{TENANT}jobs/<uuid:job_id>/"
MAILBOX = f"{TENANT}mailboxes/<uuid:mailbox_id>/"
ITEM = f"{MAILBOX}items/<int:version_id>/"
DESTRUCTION = f"{TENANT}destructions/<uuid:destruction_id>/"
CERTIFICATE = "operator/certificates/<uuid:destruction_id>/"
OPERATOR_TENANT = "operator/tenants/<uuid:tenant_id>/"
OPERATOR_INVITATION = f"{OPERATOR_TENANT}invitations/<uuid:invitation_id>/"

urlpatterns = [
    path(f"{TENANT}organizations/", organizations.organization_list, name="organizations"),
    path(ORGANIZATION, organizations.organization_detail, name="organization"),
    path(f"{TENANT}organizations/new/", organizations.connect, name="organization-new"),
    path(f"{TENANT}organizations/new/server/", servers.connect, name="server-new"),
    path(f"{ORGANIZATION}server/", servers.edit, name="organization-server"),
    path(f"{ORGANIZATION}edit/", organizations.edit, name="organization-edit"),
    path(
        f"{ORGANIZATION}certificate/",
        organizations.certificate,
        name="organization-certificate",
    ),
    path(f"{ORGANIZATION}check/", organizations.check, name="organization-check"),
    path(f"{ORGANIZATION}remove/", organizations.remove, name="organization-remove"),
    path(f"{TENANT}infrastructure/", infrastructure.infrastructure, name="infrastructure"),
    path(f"{TENANT}infrastructure/recovery/", infrastructure.recovery, name="recovery"),
    path(f"{TENANT}jobs/new/", jobs.new, name="job-new"),
    path(f"{TENANT}jobs/preview/", jobs.preview, name="job-preview"),
    path(f"{TENANT}jobs/retention/", retention.retention_preview, name="retention-preview"),
    path(JOB, jobs.job_detail, name="job"),
    path(f"{JOB}edit/", jobs.edit, name="job-edit"),
    path(f"{JOB}remove/", jobs.remove, name="job-remove"),
    path(f"{JOB}start/", jobs.start, name="job-start"),
    path(f"{JOB}stop/", jobs.stop, name="job-stop"),
    path(f"{JOB}enable/", jobs.enable, name="job-enable"),
    path(f"{JOB}disable/", jobs.disable, name="job-disable"),
    path(f"{TENANT}sessions/", sessions.session_list, name="sessions"),
    path(f"{TENANT}sessions/<uuid:session_id>/", sessions.session_detail, name="session"),
    path(f"{TENANT}search/", catalog.find, name="search"),
    path(MAILBOX, catalog.mailbox, name="mailbox"),
    path(f"{MAILBOX}hold/", retention.place, name="hold-place"),
    path(f"{MAILBOX}holds/<uuid:hold_id>/release/", retention.release, name="hold-release"),
    path(f"{MAILBOX}destroy/", destruction.destroy, name="destroy"),
    path(f"{TENANT}destructions/", destruction.destruction_list, name="destructions"),
    path(DESTRUCTION, destruction.destruction_detail, name="destruction"),
    path(f"{DESTRUCTION}certificate/", destruction.certificate, name="certificate"),
    path(f"{MAILBOX}restore/", restores.restore, name="restore"),
    path(f"{MAILBOX}basket/", basket.add, name="basket-add"),
    path(ITEM, items.item, name="item"),
    path(f"{ITEM}body/", items.body, name="item-body"),
    path(f"{ITEM}attachments/<int:number>/", items.attachment, name="item-attachment"),
    path(f"{ITEM}download/", downloads.item, name="item-download"),
    path(f"{TENANT}basket/add/", basket.add_found, name="basket-add-found"),
    path(f"{TENANT}basket/", basket.basket, name="basket"),
    path(f"{TENANT}basket/remove/", basket.remove, name="basket-remove"),
    path(f"{TENANT}basket/empty/", basket.empty, name="basket-empty"),
    path(f"{TENANT}basket/restore/", basket.restore, name="basket-restore"),
    path(f"{TENANT}basket/download/", downloads.basket, name="basket-download"),
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
    path("operator/tenants/", tenants.tenant_list, name="tenants"),
    path("operator/tenants/new/", tenants.tenant_new, name="tenant-new"),
    path(OPERATOR_TENANT, tenants.tenant, name="tenant"),
    path(f"{OPERATOR_TENANT}suspend/", tenants.tenant_suspend, name="tenant-suspend"),
    path(f"{OPERATOR_TENANT}resume/", tenants.tenant_resume, name="tenant-resume"),
    path(f"{OPERATOR_INVITATION}again/", tenants.tenant_invite_again, name="tenant-invite-again"),
    path(f"{OPERATOR_INVITATION}withdraw/", tenants.tenant_withdraw, name="tenant-withdraw"),
    path("operator/proxies/new/", setup.proxy_new, name="proxy-new"),
    path("operator/proxies/<uuid:proxy_id>/", setup.proxy, name="proxy"),
    path("operator/repositories/new/", setup.repository_new, name="repository-new"),
    path("operator/allocations/new/", setup.allocation_new, name="allocation-new"),
    path("operator/allocations/<uuid:allocation_id>/", setup.allocation, name="allocation"),
    path(
        "operator/allocations/<uuid:allocation_id>/verification/",
        verifications.verification,
        name="allocation-verification",
    ),
    path("operator/certificates/", destruction.operator_certificates, name="operator-certificates"),
    path(CERTIFICATE, destruction.operator_certificate, name="operator-certificate"),
    path(
        f"{CERTIFICATE}file/",
        destruction.operator_certificate_file,
        name="operator-certificate-file",
    ),
    path("operator/clock/", collections.clock, name="operator-clock"),
    path(
        "operator/allocations/<uuid:allocation_id>/collection/",
        collections.collection,
        name="allocation-collection",
    ),
    path("operator/exclusions/", setup.exclusion_list, name="exclusions"),
    path(
        "operator/exclusions/<uuid:exclusion_id>/remove/",
        setup.exclusion_remove,
        name="exclusion-remove",
    ),
]
