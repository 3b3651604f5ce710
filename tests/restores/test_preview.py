"""Looking inside an item: what is shown, what is not run, and the trace it leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent
from tests.restores.conftest import Visit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = """\
<html><head>
<meta http-equiv="refresh" content="0; url={there}/refresh">
<link rel="preconnect" href="{there}"><link rel="stylesheet" href="{there}/sheet.css">
<base href="{there}/"><style>@import url("{there}/import.css");
body {{ background: url("{there}/background.png") }}</style>
<script>document.documentElement.dataset.ran = "script";
new Image().src = "{there}/script";</script>
</head><body onload="document.documentElement.dataset.ran = 'onload'">
<p>Dear customer</p><img src="{there}/pixel.png"><img src="relative.png">
<svg onload="document.documentElement.dataset.ran = 'svg'"><image href="{there}/svg.png"/></svg>
<iframe src="{there}/frame"></iframe><object data="{there}/object"></object>
<video src="{there}/video" autoplay></video>
<form id="f" action="{there}/form"><input name="password"></form>
<img src="x" onerror="document.getElementById('f').submit()">
<a id="link" href="{there}/link">Click here</a>
</body></html>
"""


def hostile(there: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "mallory@example.net", "mara@acme.example"
    message["Subject"], message["Message-ID"] = "hostile", "<hostile@example.net>"
    message.set_content(HOSTILE.format(there=there), subtype="html")
    return message.as_bytes()


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that notes every connection and every path it is asked for."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            seen.append("connection")
            super().setup()

        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_item_shows_its_people_text_and_files(visit: Visit) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Noor <noor@example.net>", "Mara <mara@acme.example>"
    message["Cc"], message["Subject"] = "jun@acme.example", "figures"
    message.set_content("Line one <b>not bold</b>\nLine two")
    name = "..\\..\\evil/<plan>.pdf"
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename=name)
    visit.world.sandbox.add_mail("mara@acme.example", "Inbox", message.as_bytes())
    visit.world.run_job()
    path = visit.path(visit.item("figures"))
    page = visit.client.get(path).content.decode()
    assert "Line one &lt;b&gt;not bold&lt;/b&gt;" in page
    assert "jun@acme.example" in page
    assert "<iframe" not in page
    file = visit.client.get(f"{path}attachments/0/")
    assert file.content == b"%PDF"
    disposition = file.headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    assert not set("/\\<>") & set(disposition)
    assert ".pdf" in disposition
    assert visit.client.get(f"{path}attachments/1/").status_code == 404


def test_one_item_is_downloaded_as_mail(visit: Visit) -> None:
    visit.world.run_job()
    response = visit.client.get(f"{visit.path(visit.item('mara-0'))}download/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="mara-0.eml"'
    assert b"Subject: mara-0" in response.getvalue()


def test_a_look_is_one_event_and_names_no_subject(visit: Visit) -> None:
    visit.world.run_job()
    item = visit.item("mara-0")
    visit.client.get(visit.path(item))
    visit.client.get(f"{visit.path(item)}body/")
    other = visit.item("mara-1")
    visit.client.get(f"{visit.path(other)}body/")
    with tenant_scope(visit.world.id):
        looks = list(AuditEvent.objects.filter(action="item.viewed").order_by("at"))
    assert [(look.detail, look.person_id) for look in looks] == [
        ({"item": item.pk}, visit.person.pk),
        ({"item": other.pk}, visit.person.pk),
    ]
    assert {look.subject for look in looks} == {"mara@acme.example"}


def test_an_item_that_cannot_be_read_says_so(visit: Visit) -> None:
    visit.world.run_job()
    item = visit.item("mara-0")
    with tenant_scope(visit.world.id):
        type(item).objects.filter(pk=item.pk).update(sha256=bytes(32))
    path = visit.path(item)
    for tail in ("", "body/"):
        response = visit.client.get(f"{path}{tail}")
        assert response.status_code == 200
        assert b"Not readable in the repository" in response.content
    for tail in ("download/", "attachments/0/"):
        assert b"Not readable" in visit.client.get(f"{path}{tail}", follow=True).content


def test_an_item_of_another_mailbox_is_not_found(visit: Visit) -> None:
    visit.world.run_job()
    other = visit.item("jun-0", "jun@acme.example")
    path = visit.path(other)
    for tail in ("", "body/", "download/", "attachments/0/"):
        assert visit.client.get(f"{path}{tail}").status_code == 404
    assert visit.client.get(path.replace(str(other.pk), str(10**25))).status_code == 404


def test_a_pictures_content_id_is_shown_from_the_mail_itself(visit: Visit) -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "noor@example.net", "picture"
    message.set_content("text")
    message.add_alternative('<p>See <img src="cid:logo@x"></p>', subtype="html")
    html = message.get_payload()[1]
    html.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<logo@x>")
    visit.world.sandbox.add_mail("mara@acme.example", "Inbox", message.as_bytes())
    visit.world.run_job()
    body = visit.client.get(f"{visit.path(visit.item('picture'))}body/").content.decode()
    assert 'src="data:image/png;base64,iVBORw=="' in body


def test_a_body_carries_a_policy_of_its_own_and_nothing_that_reaches_out(visit: Visit) -> None:
    visit.world.sandbox.add_mail("mara@acme.example", "Inbox", hostile("http://tracker.example"))
    visit.world.run_job()
    path = visit.path(visit.item("hostile"))
    page = visit.client.get(path)
    assert 'sandbox referrerpolicy="no-referrer"' in page.content.decode()
    assert "tracker.example" not in page.content.decode()
    response = visit.client.get(f"{path}body/")
    assert response.headers["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action"
        " 'none'; base-uri 'none'; frame-ancestors 'self'"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    body = response.content.decode().lower()
    assert not [tag for tag in ("<link", "<meta", "<base", "<iframe", "<object") if tag in body]


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed here")
def test_a_hostile_mail_runs_nothing_and_asks_nobody(visit: Visit, live_server: LiveServer) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with listener() as (there, seen), listener() as (elsewhere, heard):
        visit.world.sandbox.add_mail("mara@acme.example", "Inbox", hostile(there))
        visit.world.run_job()
        path = visit.path(visit.item("hostile"))
        cookie = visit.client.cookies["sessionid"].value
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
            # Without our policy the same mail does reach out: the listener hears it.
            plain = browser.new_page()
            plain.set_content(HOSTILE.format(there=elsewhere), wait_until="commit")
            plain.wait_for_url(f"{elsewhere}/**")
            assert {"connection", "/script"} <= set(heard)
            plain.close()
            context = browser.new_context()
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
            asked: list[str] = []
            context.on("requestfinished", lambda request: asked.append(request.url))
            page = context.new_page()
            for tail in ("", "body/"):
                page.goto(f"{live_server.url}{path}{tail}", wait_until="networkidle")
                body = next(f for f in page.frames if f.url.endswith("/body/"))
                assert "Dear customer" in body.locator("body").inner_text()
                assert body.locator("html").get_attribute("data-ran") is None
                assert page.url == f"{live_server.url}{path}{tail}"
                if not tail:
                    body.get_by_text("Click here").click()
                    page.wait_for_load_state("networkidle")
                    assert page.url == f"{live_server.url}{path}"
            browser.close()
    assert seen == []
    assert asked
    assert [url for url in asked if not url.startswith(live_server.url)] == []
