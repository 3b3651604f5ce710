"""The OpenAPI document: committed, current, and to be read without the internet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"


def test_the_committed_document_is_what_the_code_says(tmp_path: Path) -> None:
    """When this fails: manage.py spectacular --validate --file docs/openapi.yaml"""
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    assert made.read_text() == COMMITTED.read_text()


@pytest.mark.django_db
def test_the_server_hands_the_document_out() -> None:
    answer = Client().get("/api/openapi.yaml")
    assert answer.status_code == 200
    assert b"/api/v1/usage/metrics" in answer.content


def test_the_page_of_the_document_needs_files_of_this_server_only() -> None:
    answer = Client().get("/api/docs/")
    page = answer.content.decode()
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert files
    for file in files:
        assert file.startswith("/static/"), file
        assert finders.find(file.removeprefix("/static/")), file
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*src=)", page)
    assert "unsafe" not in answer["Content-Security-Policy"]
