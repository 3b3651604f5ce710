"""The basket: items of any mailbox that a person has put aside to restore or download."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from backups.catalog.models import ItemVersion
from backups.organizations.models import Mailbox
from backups.restores.models import BasketItem
from backups.restores.services import GONE, RestoreRefused, hold_backups, restore_items
from backups.sessions.models import Session
from tenants.audit.services import record
from tenants.isolation.scope import APP

MAX_BASKET = 5_000


def basket_of(person_id: UUID) -> QuerySet[BasketItem]:
    """What this person has put aside in the current tenant, in the order it was added."""
    rows = BasketItem.objects.filter(person_id=person_id)
    return rows.select_related("version__backup__mailbox").defer("version__references")


def in_basket(version: ItemVersion, person_id: UUID) -> bool:
    return BasketItem.objects.filter(person_id=person_id, version=version).exists()


def add_to_basket(*, mailbox: Mailbox, version_ids: Collection[int], person_id: UUID) -> int:
    """Put items of a mailbox aside. Returns how many were not there yet.

    Raises RestoreRefused for nothing, too much, items that are not this mailbox's, and while its
    backup is being made again.
    """
    wanted = set(version_ids)
    if not wanted:
        raise RestoreRefused("Choose at least one item.")
    with transaction.atomic(using=APP):
        hold_backups(wanted)
        found = ItemVersion.objects.filter(pk__in=wanted, backup__mailbox=mailbox)
        if found.count() != len(wanted):
            raise RestoreRefused(GONE)
        mine = BasketItem.objects.filter(person_id=person_id)
        there = set(mine.values_list("version_id", flat=True))
        new = sorted(wanted - there)
        if len(there) + len(new) > MAX_BASKET:
            raise RestoreRefused(f"A basket holds at most {MAX_BASKET} items.")
        BasketItem.objects.bulk_create(
            [BasketItem(person_id=person_id, version_id=version_id) for version_id in new],
            ignore_conflicts=True,
        )
        record(action="basket.added", subject=mailbox.address, person_id=person_id, items=len(new))
    return len(new)


def add_found(*, version_ids: Collection[int], person_id: UUID) -> int:
    """Put items of several mailboxes aside, all or none. Returns how many were not there yet.

    Raises RestoreRefused as ``add_to_basket`` does.
    """
    if not version_ids:
        raise RestoreRefused("Choose at least one item.")
    with transaction.atomic(using=APP):
        hold_backups(version_ids)
        rows = ItemVersion.objects.filter(pk__in=set(version_ids))
        known = rows.values_list("pk", "backup__mailbox_id")
        groups: dict[UUID, set[int]] = defaultdict(set)
        for version_id, mailbox_id in known:
            groups[mailbox_id].add(version_id)
        if len(known) != len(set(version_ids)):
            raise RestoreRefused("Some of the chosen items are not in the backups any more.")
        return sum(
            add_to_basket(mailbox=mailbox, version_ids=groups[mailbox.pk], person_id=person_id)
            for mailbox in Mailbox.objects.filter(pk__in=groups)
        )


def remove_from_basket(*, item_ids: Collection[int] | None, person_id: UUID) -> int:
    """Take rows out of the person's basket, all of them for None. Returns how many."""
    rows = BasketItem.objects.filter(person_id=person_id)
    if item_ids is not None:
        rows = rows.filter(pk__in=set(item_ids))
    with transaction.atomic(using=APP):
        removed, _ = rows.delete()
        record(action="basket.removed", subject="basket", person_id=person_id, items=removed)
    return removed


def restore_basket(*, target_folder: str = "", reason: str = "", person_id: UUID) -> list[Session]:
    """Restore everything in the basket, each item into its own mailbox; the basket is then empty.

    One session for each mailbox and repository. Raises RestoreRefused, and begins none, when one
    of them cannot be begun.
    """
    groups: dict[UUID, list[int]] = defaultdict(list)
    mailboxes: dict[UUID, Mailbox] = {}
    for row in basket_of(person_id):
        groups[row.version.backup_id].append(row.version_id)
        mailboxes[row.version.backup_id] = row.version.backup.mailbox
    if not groups:
        raise RestoreRefused("The basket is empty.")
    with transaction.atomic(using=APP):
        sessions = [
            restore_items(
                mailbox=mailboxes[backup_id],
                version_ids=version_ids,
                target_folder=target_folder,
                reason=reason,
                person_id=person_id,
            )
            for backup_id, version_ids in sorted(groups.items())
        ]
        BasketItem.objects.filter(person_id=person_id).delete()
    return sessions
