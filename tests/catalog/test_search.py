"""Searching in the real database, as the role of the portal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, InternalError, ProgrammingError, connections, transaction

from backups.catalog import rows
from backups.catalog.models import ItemVersion
from backups.catalog.search import After, search
from backups.catalog.terms import Terms, understand
from tenants.isolation.scope import operator_scope, tenant_scope
from tests.cast import Cast, Company

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
_REST = "NULL, 'ever', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 99"
_CALL = f"SELECT * FROM backups_search(ARRAY[{{}}], {_REST})"


def put(company: Company, *versions: dict[str, object]) -> None:
    with tenant_scope(company.id):
        rows.insert(
            ItemVersion(
                **{
                    "backup": company.backup,
                    "item_id": f"item-{company.tenant.slug}-{number}-{values.get('subject')}",
                    "change_key": "CQ",
                    "folder_id": "inbox",
                    "first": 1,
                    "item_class": "IPM.Note",
                    "received_at": NOON + timedelta(minutes=number),
                    "size": 100,
                    "digest": b"",
                    "sha256": b"",
                    "references": b"",
                    **values,
                }
            )
            for number, values in enumerate(versions)
        )


def found(company: Company, query: str = "", **scope: object) -> list[str]:
    terms = understand(query, zone=UTC, today=date(2026, 11, 23), folders=lambda _: [])
    with tenant_scope(company.id):
        results = search(terms, most=50, **{"state": "ever", **scope})
        return [version.subject for version in results if version.pk != company.item.pk]


def test_words_phrases_and_their_places_are_found(cast: Cast) -> None:
    put(
        cast.acme,
        {"subject": "Annual report 2026", "sender": "Anna Berg <anna@acme.example>"},
        {"subject": "Report, not annual", "recipients": "Ben <ben@acme.example>; Cleo"},
        {"subject": "Résumé", "attachments": [["Budget 2026.xlsx", 7]], "is_read": True},
        {
            "subject": "日本からの手紙",
            "item_class": "IPM.Appointment",
            "categories": ["Blue travel"],
        },
    )

    assert found(cast.acme, "report") == ["Report, not annual", "Annual report 2026"]
    assert found(cast.acme, '"annual report"') == ["Annual report 2026"]
    assert found(cast.acme, "rep -ben") == ["Annual report 2026"]
    assert found(cast.acme, "from:anna@acme.example") == ["Annual report 2026"]
    assert found(cast.acme, "from:ben") == []
    assert found(cast.acme, "to:cleo OR attachment:budget") == ["Résumé", "Report, not annual"]
    assert found(cast.acme, "subject:budget") == []
    assert found(cast.acme, "resume") == found(cast.acme, "has:attachment is:read") == ["Résumé"]
    assert found(cast.acme, "手紙") == found(cast.acme, "kind:event") == ["日本からの手紙"]
    assert found(cast.acme, "category:travel -is:read") == ["日本からの手紙"]
    assert found(cast.acme, "NOT report") == ["日本からの手紙", "Résumé"]


def test_dates_sizes_folders_and_points_limit_a_search(cast: Cast) -> None:
    put(
        cast.acme,
        {"subject": "old small", "received_at": NOON - timedelta(days=40), "last": 3},
        {"subject": "new small", "first": 3},
        {"subject": "new large", "size": 5_000_000, "folder_id": "archive"},
        {"subject": "undated", "received_at": None},
    )

    assert found(cast.acme, "since:2026-11") == ["new large", "new small"]
    assert found(cast.acme, "small before:2026-11") == ["old small"]
    assert found(cast.acme, "larger:1MB") == ["new large"]
    assert found(cast.acme, "new", folder_id="archive") == ["new large"]
    assert found(cast.acme, state="now") == ["new large", "new small", "undated"]
    at = {"state": "point", "backup_id": cast.acme.backup.pk}
    assert found(cast.acme, **at, point=2) == ["new large", "old small", "undated"]
    assert found(cast.acme, "small", **at, point=3) == ["new small"]


def test_pages_follow_each_other_without_a_gap_or_a_repetition(cast: Cast) -> None:
    put(cast.acme, *({"subject": f"n{n}", "received_at": NOON} for n in range(7)))
    with tenant_scope(cast.acme.id):
        seen: list[int] = []
        after = None
        while page := search(Terms(), most=3, after=after):
            seen += [version.pk for version in page]
            after = After.of(page[-1])
        everything = list(ItemVersion.objects.values_list("pk", flat=True))

    assert len(seen) == 8
    assert sorted(seen) == sorted(everything)
    assert seen[1:] == sorted(seen[1:], reverse=True)


def test_nobody_finds_what_is_another_tenants(cast: Cast) -> None:
    put(cast.acme, {"subject": "shared word of acme"})
    put(cast.globex, {"subject": "shared word of globex"})
    mark = f"'#t{cast.globex.id.hex}'"

    assert found(cast.acme, "shared") == ["shared word of acme"]
    assert found(cast.acme, "NOT nonsense") == ["shared word of acme"]
    for wanted in (mark, f"{mark} | 'shared'", "!'nonsense'"):
        with tenant_scope(cast.acme.id), connections["default"].cursor() as cursor:
            cursor.execute(_CALL.format("%s::tsquery"), [wanted])
            ids = {row[0] for row in cursor.fetchall()}
            mine = set(ItemVersion.objects.values_list("pk", flat=True))
        assert ids <= mine, wanted
    with tenant_scope(cast.acme.id):
        assert search(Terms(), most=9, backup_id=cast.globex.backup.pk) == []


def test_without_a_tenant_the_function_finds_nothing(cast: Cast) -> None:
    put(cast.acme, {"subject": "anything"})
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(_CALL.format("'anything'::tsquery"))
        assert cursor.fetchall() == []


def test_only_the_portals_role_may_search(cast: Cast) -> None:
    with (
        operator_scope(),
        pytest.raises(ProgrammingError, match="permission denied"),
        connections["operator"].cursor() as cursor,
    ):
        cursor.execute(_CALL.format("'x'::tsquery"))
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT prosecdef, proconfig::text, proacl::text FROM pg_proc"
            " WHERE proname = 'backups_search'"
        )
        definer, settings, rights = cursor.fetchone()
    assert definer
    assert "search_path=pg_catalog, public, pg_temp" in settings
    assert "portal_app=X" in rights
    assert "portal_operator" not in rights
    assert "{=X" not in rights
    assert ",=X" not in rights


def test_a_table_put_before_the_real_one_is_not_searched(cast: Cast) -> None:
    put(cast.acme, {"subject": "real"})
    with tenant_scope(cast.acme.id), connections["default"].cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE backups_itemversion (id bigint) ON COMMIT DROP")
        cursor.execute(_CALL.format("'real'::tsquery"))
        assert len(cursor.fetchall()) == 1


def test_an_unknown_state_is_refused(cast: Cast) -> None:
    with (
        tenant_scope(cast.acme.id),
        pytest.raises((InternalError, DatabaseError), match="no such state"),
    ):
        search(Terms(), most=1, state="soon")  # type: ignore[arg-type]


def test_a_row_of_another_tenant_is_not_inserted(cast: Cast) -> None:
    stranger = ItemVersion(
        tenant_id=cast.globex.id,
        backup=cast.globex.backup,
        item_id="x",
        change_key="x",
        folder_id="x",
        first=1,
        item_class="IPM.Note",
        size=1,
        digest=b"",
        sha256=b"",
        references=b"",
    )
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        tenant_scope(cast.acme.id),
    ):
        rows.insert([stranger])


def test_a_rare_word_is_found_behind_ten_thousand_newer_mails(cast: Cast) -> None:
    put(cast.acme, {"subject": "needle"}, {"subject": "needle again", "size": 7})
    newer = NOON + timedelta(days=1)
    put(cast.acme, *({"subject": f"hay {n}", "received_at": newer} for n in range(10_050)))

    assert found(cast.acme, "needle") == ["needle again", "needle"]
    assert found(cast.acme, "needle smaller:50B") == ["needle again"]
    assert found(cast.acme, "needle -again", state="now") == ["needle"]
    assert len(found(cast.acme, "hay")) == 50


def test_a_page_that_reaches_behind_ten_thousand_mails_has_no_gap(cast: Cast) -> None:
    straws = [
        {"subject": f"straw {n}" if n % 220 == 0 else "hay", "received_at": NOON}
        for n in range(16_000)
    ]
    put(cast.acme, *straws)

    newest = [f"straw {n}" for n in range(15_840, -1, -220)]
    assert found(cast.acme, "straw") == newest[:50]
    assert found(cast.acme, "straw -220") == [one for one in newest if one != "straw 220"][:50]
