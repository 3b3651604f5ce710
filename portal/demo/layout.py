"""Who backs up what to where in the demo: the three layouts that an installation is built from.

Jobs 11 and 12: one proxy, two repositories. Jobs 21 and 22: one proxy, one repository. Job 31: one
organization, one job. Job 13 sends part of the first organization to the second proxy, so that an
organization is processed by two proxies, and each proxy serves two organizations.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT, SECOND = "Default proxy", "Second site"


@dataclass(frozen=True)
class Repository:
    name: str
    folder: str
    proxy: str


@dataclass(frozen=True)
class Job:
    """``mailboxes`` are a slice of the organization's mailboxes in order of address."""

    name: str
    repository: str
    mailboxes: slice | None


@dataclass(frozen=True)
class Organization:
    name: str
    domain: str
    tenant: str
    jobs: tuple[Job, ...]


REPOSITORIES = (
    Repository("Headquarters", "headquarters", DEFAULT),
    Repository("Remote office", "remote-office", DEFAULT),
    Repository("Shared store", "shared-store", DEFAULT),
    Repository("Second site", "second-site", SECOND),
)

TENANTS = (("Acme", "acme"), ("Globex", "globex"))

ORGANIZATIONS = (
    Organization(
        "Acme Exchange Online",
        "acme.example",
        "acme",
        (
            Job("Job 11 · Headquarters", "Headquarters", slice(0, 2)),
            Job("Job 12 · Remote office", "Remote office", slice(2, 4)),
            Job("Job 13 · Second site", "Second site", slice(4, None)),
        ),
    ),
    Organization(
        "Globex Exchange Online",
        "globex.example",
        "globex",
        (
            Job("Job 21 · Management", "Shared store", slice(0, 2)),
            Job("Job 22 · Laboratory", "Shared store", slice(2, None)),
        ),
    ),
    Organization(
        "Globex Research",
        "globex-research.example",
        "globex",
        (Job("Job 31 · Everyone", "Second site", None),),
    ),
)

PEOPLE = (
    ("anna.berg@acme.example", "Anna Berg"),
    ("boardroom@acme.example", "Boardroom"),
    ("ravi.kumar@acme.example", "Ravi Kumar"),
    ("support@acme.example", "Acme Support"),
    ("ute.lang@acme.example", "Ute Lang"),
    ("gus.hahn@globex.example", "Gus Hahn"),
    ("mei.tanaka@globex.example", "Mei Tanaka"),
    ("office@globex.example", "Globex Office"),
    ("ida.novak@globex-research.example", "Ida Novak"),
)
"""Mailboxes over which real mail is spread."""
