"""What a person types, and the query that becomes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from backups.catalog.lexemes import LARGEST, magnitude, vector, words
from backups.catalog.terms import QueryError, Terms, understand

TODAY = date(2026, 11, 23)


def read(query: str) -> Terms:
    return understand(
        query, zone=UTC, today=TODAY, folders=lambda name: {"Inbox": ["#f1"]}.get(name, [])
    )


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ""),
        ("   ", ""),
        ("invoice", "'invoice':*"),
        ("at", "'at'"),
        ("at*", "'at':*"),
        ('"invoice"', "'invoice'"),
        ('"annual report"', "('annual' <-> 'report')"),
        ("annual report", "('annual':* & 'report':*)"),
        ("a OR b c", "('a' | ('b' & 'c'))"),
        ("a AND b", "('a' & 'b')"),
        ("-draft", "!'draft':*"),
        ("NOT draft", "!'draft':*"),
        ("a -(b OR c)", "('a' & !('b' | 'c'))"),
        ("from:anna", "'anna':*B"),
        ('subject:"board meeting"', "('board':A <-> 'meeting':A)"),
        ("to:ben cc:cleo", "('ben':*C & 'cleo':*C)"),
        ("attachment:q3", "'q3':D"),
        ("from:anna@acme.example", "('anna':B <-> 'acme':B <-> 'example':B)"),
        ("Ünïcode STRASSE", "('unicode':* & 'strasse':*)"),
        ("straße", "'strasse':*"),
        ("日本", "('日' <-> '本')"),
        ("is:unread has:attachment", "(!'#read' & '#attachment')"),
        ("kind:events", "'#kevent'"),
        ("folder:Inbox", "('#f1')"),
        ("folder:Nowhere", "('#none')"),
        ("category:red", "('#gred')"),
        ("'; DROP TABLE", "('drop':* & 'table':*)"),
        ("a & b | !c <-> d", "('a' & 'b' & 'c' & 'd')"),
        ("!!! ???", ""),
        ('"unclosed phrase', "('unclosed' <-> 'phrase')"),
    ],
)
def test_words_become_a_query(query: str, wanted: str) -> None:
    assert read(query).text == wanted


def test_dates_and_sizes_are_limits_of_the_whole_search() -> None:
    terms = read("report after:2026-01-31 before:2026-03 larger:1.5MB smaller:2g")

    assert terms.text == "'report':*"
    assert terms.since == datetime(2026, 2, 1, tzinfo=UTC)
    assert terms.until == datetime(2026, 3, 1, tzinfo=UTC)
    assert (terms.smallest, terms.largest) == (1_572_864, 2 * 1024**3)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("on:today", datetime(2026, 11, 23), datetime(2026, 11, 24)),
        ("on:yesterday", datetime(2026, 11, 22), datetime(2026, 11, 23)),
        ("on:2025-12", datetime(2025, 12, 1), datetime(2026, 1, 1)),
        ("on:2024", datetime(2024, 1, 1), datetime(2025, 1, 1)),
        ("since:2026-03-29", datetime(2026, 3, 29), None),
        ("since:2026-01 since:2026-02", datetime(2026, 2, 1), None),
    ],
)
def test_a_day_begins_at_midnight_of_the_person(
    query: str, since: datetime, until: datetime | None
) -> None:
    zone = ZoneInfo("Europe/Berlin")

    terms = understand(query, zone=zone, today=TODAY, folders=lambda _: [])

    assert terms.since == since.replace(tzinfo=zone)
    assert terms.until == (until.replace(tzinfo=zone) if until else None)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("(a", "not closed"),
        ("a)", "without an opening"),
        ("a OR", "both sides"),
        ("OR a", "both sides"),
        ("NOT", "needs a word"),
        ("from:", None),
        ("from:(a)", "needs a word"),
        ("colour:red", "is not known"),
        ("is:blue", "knows draft"),
        ("after:someday", "needs a date"),
        ("after:2026-02-30", "needs a date"),
        ("larger:huge", "needs a size"),
        ("a OR after:2026", "can't stand"),
        ("a OR b after:2026", "can't stand"),
        ("(a after:2026) OR b", "can't stand"),
        ("-after:2026", "can't stand"),
        ("(" * 30 + "a" + ")" * 30, "Too many parentheses"),
        ("a" * 501, "at most 500"),
    ],
)
def test_what_can_t_be_understood_is_said(query: str, reason: str | None) -> None:
    if reason is None:
        assert read(query).text == "'from':*"
        return
    with pytest.raises(QueryError, match=reason):
        read(query)


def test_an_item_is_taken_apart_as_a_query_is() -> None:
    assert words("Anna.Berg@Acme.example") == ["anna", "berg", "acme", "example"]
    assert vector(["#t1"], [("Re: Q3, Re", "A"), ("It's", "B")]) == (
        "'#t1' 're':1A,3A 'q3':2A 'it':14B 's':15B"
    )


def test_an_endless_text_stays_a_vector_that_fits() -> None:
    found = vector([], [("word " * 5_000 + " ".join(f"w{n}" for n in range(20_000)), "A")])

    assert found.startswith("'word':1A,")
    assert len(found.split(" ")[0].split(",")) == 250


def test_a_larger_size_never_has_a_smaller_magnitude() -> None:
    sizes = [*range(5_000), *(2**bits + step for bits in range(12, 50) for step in (-1, 0, 1))]
    found = [magnitude(size) for size in sorted(sizes)]

    assert found == sorted(found)
    assert len(set(found)) > 90
    assert magnitude(2**60) == LARGEST
