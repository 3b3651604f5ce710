"""Which of an item's bodies is shown, and where it came from.

An item may have the same text as PidTagHtml, as compressed RTF and as PidTagBody; which one was
written by a person PidTagNativeBody says (MS-OXCMSG 2.2.1.58.2), the others were made from it.
"""

from __future__ import annotations

from typing import Final

from backups.streams.native import tags
from backups.streams.native.charsets import decode_text
from backups.streams.native.fields import Fields, clean, note
from backups.streams.native.properties import CODE_PAGE, codec_of
from backups.streams.views.compressed import unpack
from backups.streams.views.model import Body, Origin
from backups.streams.views.rtf import Source, source_of, text_of

_NATIVE_PLAIN: Final = 1
_ORIGINS: Final = {
    Source.HTML: Origin.RTF_HTML,
    Source.TEXT: Origin.RTF_TEXT,
    Source.RTF: Origin.RTF,
}


def body_of(fields: Fields, notes: list[str]) -> Body:
    """HTML where there is some, also out of RTF; else PidTagBody; else the text of the RTF.

    PidTagBody goes before text out of RTF because the program that wrote the item made both and
    knew more of the RTF than we do. What can't be read leaves a note.
    """
    html = _html(fields, notes)
    text = fields.text(tags.BODY)
    if html:
        return Body(text, html, Origin.HTML)
    if text and fields.integer(tags.NATIVE_BODY) == _NATIVE_PLAIN:
        return Body(text, "", Origin.PLAIN)
    rtf = unpack(fields.binary(tags.RTF_COMPRESSED), notes) if _has_rtf(fields) else b""
    source = source_of(rtf)
    if source is Source.HTML:
        html = text_of(rtf)
        if html.strip():
            return Body(text, html, Origin.RTF_HTML)
    if text:
        return Body(text, "", Origin.PLAIN)
    if rtf and source is not Source.HTML:
        text = text_of(rtf)
        if text.strip():
            return Body(text, "", _ORIGINS[source])
    return Body()


def _has_rtf(fields: Fields) -> bool:
    return fields.length(tags.RTF_COMPRESSED) > 0


def _html(fields: Fields, notes: list[str]) -> str:
    """The HTML body, decoded by PidTagInternetCodepage; servers send it as text or as bytes."""
    value = fields.value(tags.HTML)
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, bytes):
        return ""
    page = fields.integer(tags.INTERNET_CODEPAGE)
    if page is None:
        return clean(decode_text(value))
    try:
        return clean(decode_text(value, codec_of(CODE_PAGE | page & 0xFFFF)))
    except ValueError as error:
        note(notes, f"HTML body: {error}")
        return clean(decode_text(value))
