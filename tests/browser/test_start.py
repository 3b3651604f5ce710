"""The portal starts, and an operator signs in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints
from tests.browser.portal import OPERATOR, PASSWORD

pytestmark = pytest.mark.browser


def test_an_operator_signs_in_and_finds_the_infrastructure(
    page: Page, complaints: Complaints
) -> None:
    page.goto("/")
    page.get_by_label("Email").fill(OPERATOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Backup Infrastructure").click()
    expect(page.get_by_text("Default proxy").first).to_be_visible()
    assert complaints == []
