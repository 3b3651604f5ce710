"""The whole mission in one walk: a tenant is created, connects, protects, restores, is billed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect

from sandbox.testing import Sandbox
from tests.browser.conftest import Complaints
from tests.browser.looks import looks_right
from tests.browser.portal import OPERATOR, PASSWORD, Portal
from tests.engine.world import mail

pytestmark = pytest.mark.browser

ADMIN = "ana@initech.example"
LONG = 60_000
"""Milliseconds for what workers do."""


TENANT_PAGES = [
    f"/t/initech/{name}/"
    for name in ("infrastructure", "sessions", "basket", "notifications", "people")
]
OPERATOR_PAGES = [
    f"/operator/{name}/"
    for name in (
        "sessions",
        "exclusions",
        "email",
        "outbox",
        "proxies/new",
        "repositories/new",
        "allocations/new",
    )
]


class Walk:
    """One person's browser, and what was wrong on its way."""

    def __init__(self, page: Page, complaints: Complaints) -> None:
        self.page = page
        self.complaints = complaints
        self.wrong: list[str] = []

    def look(self) -> None:
        self.wrong += looks_right(self.page)

    def sign_in(self, email: str) -> None:
        self.page.goto("/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_load_state()

    def sign_out(self) -> None:
        self.page.context.clear_cookies()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()
        self.page.wait_for_load_state()

    def follow(self, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role("link", name=name).first.click()
        self.page.wait_for_load_state()


def test_from_a_new_tenant_to_its_usage(
    page: Page, portal: Portal, sandbox: Sandbox, complaints: Complaints
) -> None:
    walk = Walk(page, complaints)
    operator_creates_the_tenant(walk, portal)
    administrator_accepts(walk, portal)
    administrator_connects(walk, sandbox)
    administrator_protects(walk)
    administrator_restores_a_deleted_mail(walk, sandbox)
    administrator_hears_of_it(portal)
    every_other_page_looks_right(walk, TENANT_PAGES)
    operator_reads_usage(walk, portal)
    every_other_page_looks_right(walk, OPERATOR_PAGES)
    assert walk.wrong == [], "\n".join(walk.wrong)
    assert complaints == []


def operator_creates_the_tenant(walk: Walk, portal: Portal) -> None:
    folder = portal.folder / "repositories" / "main"
    portal.manage("create_repository", "Main repository", str(folder))
    walk.page.goto("/")
    walk.look()
    walk.sign_in(OPERATOR)
    walk.follow("Tenants")
    walk.look()
    walk.follow("New tenant")
    walk.look()
    form = walk.page
    form.get_by_label("Name", exact=True).first.fill("Initech")
    form.get_by_label(re.compile("E-?mail", re.I)).first.fill(ADMIN)
    form.get_by_label("Repository").select_option(label="Main repository")
    walk.press("Create")
    expect(walk.page.get_by_text("Initech").first).to_be_visible()
    walk.look()
    for name in ("Organizations", "Backup Infrastructure", "Sessions", "Outbox"):
        walk.follow(name)
        walk.look()
    walk.sign_out()


def administrator_accepts(walk: Walk, portal: Portal) -> None:
    walk.page.goto(portal.link_in_mail(ADMIN, r"http://\S+/invitation/\S+/"))
    walk.look()
    walk.page.get_by_label("Name").fill("Ana Costa")
    for field in walk.page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    walk.page.locator("main button[type=submit]").first.click()
    walk.page.wait_for_load_state()
    walk.page.goto("/t/initech/organizations/")
    expect(walk.page.get_by_role("link", name="Connect an organization").first).to_be_visible()
    walk.look()


def administrator_connects(walk: Walk, sandbox: Sandbox) -> None:
    sandbox.add_mailbox("ana@initech.example", "Ana Costa")
    for number in range(3):
        sandbox.add_mail("ana@initech.example", "Inbox", mail(f"Report {number}"))
    registration = sandbox.register("initech.example")
    walk.follow("Connect an organization")
    walk.look()
    page = walk.page
    page.get_by_label("Name", exact=True).fill("Initech Online")
    page.get_by_label("Directory (tenant) id or domain").fill(registration.directory)
    page.get_by_label("Application (client) id").fill(registration.client_id)
    page.locator("textarea[name=certificate]").fill(registration.certificate_pem)
    page.locator("textarea[name=private_key]").fill(registration.private_key_pem)
    page.locator("details.more").evaluate("more => { more.open = true; }")
    page.get_by_label("Sign-in address").fill(registration.authority)
    page.get_by_label("Graph address").fill(registration.graph_url)
    page.locator("textarea[name=trust]").fill(registration.trust_pem or "")
    walk.press("Connect and check")
    expect(page.get_by_role("link", name="Protect its mailboxes")).to_be_visible(timeout=LONG)
    walk.look()


def administrator_protects(walk: Walk) -> None:
    walk.follow("Protect its mailboxes")
    walk.look()
    walk.page.get_by_label("Name", exact=True).fill("Everyone")
    walk.press("Create the job")
    expect(walk.page.get_by_role("heading", name="Everyone")).to_be_visible()
    walk.look()
    run_the_job(walk)


def run_the_job(walk: Walk) -> None:
    walk.press("Start")
    expect(walk.page.get_by_text("Success").first).to_be_visible(timeout=LONG)
    walk.look()


def administrator_restores_a_deleted_mail(walk: Walk, sandbox: Sandbox) -> None:
    mailbox = sandbox.store.user("ana@initech.example").mailbox or ""
    inbox = sandbox.store.folder(mailbox, "inbox")
    gone = next(i for i in sandbox.store.items(inbox.id) if "Report 1" in i.message_id)
    sandbox.store.delete_item(mailbox, gone.id, hard=True)

    walk.page.goto("/t/initech/organizations/")
    walk.follow("Everyone")
    run_the_job(walk)
    walk.page.goto("/t/initech/organizations/")
    walk.follow("Initech Online")
    walk.look()
    walk.follow("Ana Costa")
    walk.look()
    walk.page.get_by_label("Show deleted").check()
    expect(walk.page.get_by_role("link", name="Report 1")).to_be_visible()
    walk.follow("Report 1")
    expect(walk.page.get_by_text("Hello.")).to_be_visible()
    walk.look()
    walk.page.go_back()
    row = walk.page.get_by_role("row").filter(has=walk.page.get_by_role("link", name="Report 1"))
    row.get_by_role("checkbox").check()
    walk.press("Add to basket")
    walk.page.goto("/t/initech/basket/")
    expect(walk.page.get_by_text("Report 1")).to_be_visible()
    walk.look()
    walk.press("Restore")
    expect(walk.page.get_by_text("Success").first).to_be_visible(timeout=LONG)
    walk.look()
    restored = [i for i in sandbox.store.items(inbox.id) if i.message_id == gone.message_id]
    assert len(restored) == 1
    assert restored[0].id != gone.id


def administrator_hears_of_it(portal: Portal) -> None:
    """The first administrator is the first recipient: the job's result came by mail."""
    portal.until(
        lambda: any("Everyone" in str(message["Subject"]) for message in portal.mails()),
        "mails the result of the job",
    )


def every_other_page_looks_right(walk: Walk, paths: list[str]) -> None:
    for path in paths:
        answer = walk.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        walk.look()


def operator_reads_usage(walk: Walk, portal: Portal) -> None:
    walk.sign_out()
    walk.sign_in(OPERATOR)
    walk.follow("API keys")
    walk.look()
    page = walk.page
    page.goto("/operator/api-keys/new/") if page.get_by_label("Name").count() == 0 else None
    page.get_by_label("Name").first.fill("Billing")
    for box in page.locator("main input[type=checkbox]").all():
        box.check()
    page.locator("main button[type=submit]").first.click()
    page.wait_for_load_state()
    key = re.search(r"stw_[A-Za-z0-9]+_[A-Za-z0-9_-]+", page.content())
    assert key, "the new key is shown once"
    walk.look()
    today = httpx.get(
        f"{portal.url}/api/v1/usage",
        params={"period": f"{datetime.now(UTC):%Y-%m}"},
        headers={"Authorization": f"Bearer {key[0]}"},
    )
    assert today.status_code == 200, today.text
    values = {entry["metric"]: entry["value"] for entry in today.json()["results"]}
    assert values["protected_mailboxes"] in (1, "1")
