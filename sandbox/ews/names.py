"""ResolveNames and ConvertId: people by a part of their name or address, and forms of ids."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from sandbox.ews.call import Call, each
from sandbox.ews.errors import EwsError, success_message
from sandbox.ews.ids import read_id
from sandbox.ews.xml import messages, types
from sandbox.records import User

MAX_NAMES = 100
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def resolve_names(call: Call) -> Element:
    """Up to 100 people whose name or address begins with what is asked, as Exchange's limit is."""

    def answer(asked: Element) -> Element:
        wanted = (asked.text or "").strip().lower().removeprefix("smtp:").removeprefix("=")
        found = [
            user
            for user in call.store.users(call.directory)
            if user.address.lower().startswith(wanted)
            or any(
                word.startswith(wanted) for word in (user.name.lower(), *user.name.lower().split())
            )
        ]
        if not found or not wanted:
            raise EwsError("ErrorNameResolutionNoResults")
        people = [
            types(
                "Resolution",
                types(
                    "Mailbox",
                    types("Name", user.name),
                    types("EmailAddress", user.address),
                    types("RoutingType", "SMTP"),
                    types("MailboxType", "Mailbox" if user.mailbox else "Contact"),
                ),
            )
            for user in found[:MAX_NAMES]
        ]
        return success_message(
            call.name,
            messages(
                "ResolutionSet",
                *people,
                TotalItemsInView=str(len(people)),
                IncludesLastItemInRange=str(len(found) <= MAX_NAMES).lower(),
            ),
        )

    return each(call, [call.required("UnresolvedEntry")], answer)


def convert_id(call: Call) -> Element:
    """An id of EWS in the only form there is here; any other destination is an error."""
    wanted = call.operation.get("DestinationFormat")

    def answer(given: Element) -> Element:
        read_id(given.get("Id", ""))
        if given.get("Format") != "EwsId" or wanted != "EwsId":
            raise EwsError("ErrorUnsupportedTypeForConversion", "Only EwsId is known.")
        same = messages("AlternateId", **dict(given.attrib))
        same.set(_XSI_TYPE, "t:AlternateIdType")
        return success_message(call.name, same)

    return each(call, call.required("SourceIds"), answer)


def _searched(user: User) -> list[str]:
    name = user.name.lower()
    return [user.address.lower(), name, *name.split()]
