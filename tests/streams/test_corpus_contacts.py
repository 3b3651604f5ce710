"""Real vCards: what vobject reads in each, it reads in what is written of its contact."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import vobject

from backups.parts import join
from backups.streams import (
    Made,
    MailError,
    index_record,
    item_view,
    open_stream,
    read_item,
    read_store,
    read_vcard,
    write_item,
    write_vcf,
)
from backups.streams.contacts.lists import checksum
from backups.streams.native import names

from .conftest import corpus_files

pytestmark = pytest.mark.corpus

REFUSED = {
    "Cropped_2_1.vcf": "it ends before END:VCARD",
    "Empty.vcf": "the file holds no vCard",
    "v21_nest.vcf": "it ends before END:VCARD",
}
UNREAD = {
    "LineageOS__android_frameworks_opt_vcard/v21_nest.vcf": "cards inside a card without AGENT",
    "Data/Contacts.vcf": "an agent's card whose end it takes for that of the card, or bad base64",
    "Data/John_Doe.vcf": "the same",
    "MultiAnsiFilterTests/Murks.vcf": "a charset that is none",
    "TestFiles/AnsiIssueInvalidEncoding.vcf": "a charset that is none",
    "TestFiles/Library_v2.vcf": "base64 without its padding",
    "ical4j__ical4j-vcard/vcard-antoni-outlook2003-valueurl.vcf": "another charset than it names",
    "ical4j__ical4j-vcard/vcard-antoni-outlook2003.vcf": "another charset than it names",
    "invalid/vcard-incompletenproperty.vcf": "a line end inside N",
    "text/John_Doe_ANDROID.vcf": "base64 without its padding",
}
"""Files that vobject can't read, and what in them stops it; Stowage makes contacts of them."""

_COMMA = "vobject ends a text at a comma without a backslash"
_SHIFT_JIS = "vobject reads no Shift_JIS"
_DATA = f"{_COMMA}, also a data: address"
_UNSAID = "base64 that isn't said to be; it is written as the picture that it is"
DIFFERENT = {
    "LineageOS__android_frameworks_opt_vcard/v21_adr_multiple_line.vcf": (
        "adr",
        "an address in five lines without a fold; vobject leaves out two of them",
    ),
    "LineageOS__android_frameworks_opt_vcard/v21_backslash.vcf": (
        "n",
        "vobject keeps a backslash before a colon",
    ),
    "LineageOS__android_frameworks_opt_vcard/v21_japanese_1.vcf": ("n", _SHIFT_JIS),
    "LineageOS__android_frameworks_opt_vcard/v21_japanese_2.vcf": ("fn n", _SHIFT_JIS),
    "LineageOS__android_frameworks_opt_vcard/v21_japanese_3.vcf": ("fn n", _SHIFT_JIS),
    "LineageOS__android_frameworks_opt_vcard/v21_multiple_entry.vcf": ("n", _SHIFT_JIS),
    "LineageOS__android_frameworks_opt_vcard/v30_japanese.vcf": ("fn n", _SHIFT_JIS),
    "TestFiles/v2_1.vcf": ("photo", "base64 in lines without a fold; vobject skips them"),
    "assets/contacts.vcf": ("note", _COMMA),
    "data/v3-binary-jpeg.vcf": ("photo", _UNSAID),
    "data/v3-binary-png.vcf": ("photo", _UNSAID),
    "data/v3-binary-webp.vcf": ("photo", _UNSAID),
    "data/v3-uri-binary-jpeg.vcf": ("fn photo", _DATA),
    "data/v3-uri-uri-png.vcf": ("fn photo", _DATA),
    "data/v3-uri-uri-webp.vcf": ("fn photo", _DATA),
    "data/v4-uri-jpeg.vcf": ("fn photo", _DATA),
    "kewisch__ical.js/vcard3.vcf": ("n", "two names in one card; the first is written"),
    "text/John_Doe_GMAIL.vcf": ("fn", _COMMA),
    "text/John_Doe_MAC_ADDRESS_BOOK.vcf": ("note", _COMMA),
    "text/John_Doe_MS_OUTLOOK.vcf": ("note", _COMMA),
}
"""Files where vobject reads something else in the card that is written, what, and why."""

Fields = dict[str, list[str]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("vobject.base").setLevel(logging.CRITICAL)
    yield


def cards() -> Iterator[tuple[Path, list[Made]]]:
    """Every file with its cards; with the reason, of one that holds none."""
    for path in corpus_files("vcf"):
        try:
            yield path, list(read_vcard(path.read_bytes()))
        except MailError as error:
            yield path, [Made("", reason=str(error))]


def test_every_card_becomes_a_valid_stream_that_is_cut_and_joined():
    refused = {}
    made_count = 0
    for path, found in cards():
        for made in found:
            if made.payload is None:
                refused[path.name] = made.reason
                continue
            made_count += 1
            stream = open_stream(made.payload)
            stream.summary()
            item = stream.cut()
            assert join(item.recipe, [part.data for part in item.parts]) == made.payload, path
            assert write_item(read_item(made.payload)) == made.payload, path
            assert index_record(made.payload).notes == (), path
    assert refused == REFUSED
    assert made_count == 1174


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_vobject_reads_in_a_written_card_what_it_reads_in_the_original(version: str):
    unread, different = set(), {}
    compared = 0
    for path, found in cards():
        payloads = [made.payload for made in found if made.payload is not None]
        originals = read_by_vobject(text_of(path.read_bytes()))
        if len(payloads) != len(originals):
            unread.add(key(path))
            continue
        for payload, original in zip(payloads, originals, strict=True):
            raw = write_vcf(payload, version=version).decode()
            (written,) = read_by_vobject(raw)
            before, after = fields(original), fields(written)
            if version == "4.0":
                after["photo"] = pictures(raw)
            compared += 1
            for name, values in before.items():
                if values and values != after[name]:
                    different.setdefault(key(path), set()).add(name)
    assert unread == set(UNREAD)
    assert different == {name: set(fields.split()) for name, (fields, _) in DIFFERENT.items()}
    assert compared > 1130


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_a_contact_read_again_from_its_card_says_the_same(version: str):
    for path, found in cards():
        for made in found:
            if made.payload is None:
                continue
            (again,) = read_vcard(write_vcf(made.payload, version=version))
            assert again.payload is not None, (path, again.reason)
            before, after = shown(made.payload), shown(again.payload)
            assert before == after, path


def test_the_checksum_of_a_list_is_the_one_that_outlook_wrote():
    lists = [
        read_item(entry.made.payload)
        for path in corpus_files("pst")
        if path.name in ("dist-list.pst", "passworded.pst")
        for entry in read_store(path)
        if entry.item_class == "IPM.DistList"
    ]
    assert len(lists) == 2
    for item in lists:
        entries = item.named(names.DISTRIBUTION_LIST_MEMBERS).value
        assert checksum(entries) == item.named(names.DISTRIBUTION_LIST_CHECKSUM).value
        raw = write_vcf(write_item(item), version="4.0")
        assert b"X-CN=contact name 1:mailto:contact1@rjohnson.id.au" in raw.replace(b"\r\n ", b"")


def shown(payload: bytes) -> list[tuple[str, str]]:
    return [fact for fact in item_view(payload).facts if fact[0] != "Kept as text"]


def text_of(raw: bytes) -> str:
    first = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for codec in (first, "cp1252", "latin-1"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    raise AssertionError("latin-1 reads anything")


def key(path: Path) -> str:
    """The file among others of its name."""
    return f"{path.parent.name}/{path.name}"


def read_by_vobject(text: str) -> list[vobject.base.Component]:
    """The cards, or none of a file that vobject can't read."""
    try:
        return list(vobject.readComponents(text, allowQP=True, ignoreUnreadable=True))
    except Exception:  # noqa: BLE001 - vobject lets through whatever comes up in it
        return []


def pictures(raw: str) -> list[str]:
    """The pictures in a vCard 4.0, whose data: addresses vobject cuts at the comma."""
    unfolded = raw.replace("\r\n ", "")
    found = re.findall(r"^(?:\w+\.)?PHOTO[^:]*:(.*)\r$", unfolded, re.MULTILINE)
    return sorted(
        hashlib.sha256(base64.b64decode(one.partition("base64,")[2])).hexdigest()
        if one.startswith("data:")
        else one
        for one in found
    )


def fields(card: vobject.base.Component) -> Fields:
    """The values that a contact must keep, however many there are of each."""
    lines = {
        name: card.contents.get(name, [])
        for name in ("fn", "n", "email", "tel", "adr", "org", "title", "bday", "note", "photo")
    }
    found = {name: [plain(line.value) for line in lines[name]] for name in lines}
    found["adr"] = [address(line.value) for line in lines["adr"]]
    found["n"] = [name_of(line.value).strip("|") for line in lines["n"]]
    found["org"] = [value.replace(", ", ";") for value in found["org"]]
    found["bday"] = [re.sub(r"T.*|-", "", value) for value in found["bday"]]
    found["photo"] = [
        hashlib.sha256(line.value).hexdigest() if isinstance(line.value, bytes) else line.value
        for line in lines["photo"]
    ]
    return {name: sorted(filter(None, values)) for name, values in found.items()}


def plain(value: object) -> str:
    if isinstance(value, list):
        return ";".join(plain(part) for part in value).strip(";")
    text = str(value).replace("\r\n", "\n").strip()
    return re.sub(r"^(?:mailto|tel):", "", text)


def name_of(name: object) -> str:
    parts = (
        getattr(name, key, "") for key in ("family", "given", "additional", "prefix", "suffix")
    )
    return "|".join(re.sub(r"[ ,;]+", " ", plain(part)) for part in parts)


def address(value: object) -> str:
    keys = ("box", "extended", "street", "city", "region", "code", "country")
    parts = [re.sub(r"[,; ]+", " ", plain(getattr(value, key, ""))).strip() for key in keys]
    parts[1:3] = ["\n".join(filter(None, parts[1:3]))]
    return "|".join(parts).strip("|")
