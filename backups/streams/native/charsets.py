"""Text of mail whose character set is wrong, unknown or not named at all."""

from __future__ import annotations

import binascii
import codecs
import functools
import quopri
import re
from typing import Final

import pybase64

UTF8_PAGE: Final = 65001

# Labels that mail uses for an encoding which is really a subset of another one.
_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
}
_ALIASES = {"ks_c_5601-1987": "cp949", "cp-850": "cp850", "x-sjis": "cp932", "x-gbk": "gb18030"}
# Python knows these as text encodings, but no mail may choose them.
_REFUSED = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_PAGES = {
    "utf-8": UTF8_PAGE,
    "koi8-r": 20866,
    "koi8-u": 21866,
    "gb18030": 54936,
    "big5": 950,
    "euc_jp": 51932,
    "iso2022_jp": 50220,
}
_WORD = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t\r\n]+(?==\?[^?\s]+\?[bBqQ]\?)")
_NUMBER = re.compile(r"(?:cp|iso8859-)(\d+)")


@functools.lru_cache(maxsize=256)
def codec_named(charset: str) -> str | None:
    """Python's encoding for a charset label of a mail, or None when there is none."""
    label = charset.strip(" \t\"'<>").lower()
    try:
        name = codecs.lookup(_ALIASES.get(label, label)).name
        b"\0\0\0\0".decode(name, "replace")  # codecs that are not of text refuse this
    except (LookupError, ValueError):
        return None
    if name.replace("_", "-") in _REFUSED:
        return None
    return _WIDER.get(name, name)


def decode_text(raw: bytes, charset: str | None = None) -> str:
    """``raw`` as text: by its charset, else UTF-8, else Windows-1252. Never fails.

    UTF-8 goes before the charset "us-ascii", which mail programs write when they don't know.
    """
    codec = codec_named(charset) if charset else None
    if codec is not None and codec != "cp1252":
        return raw.decode(codec, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def code_page(charset: str | None, raw: bytes) -> int | None:
    """Windows code page under which ``raw`` can be kept as it is; None when it can't be."""
    codec = codec_named(charset) if charset else None
    if (codec is None or codec == "cp1252") and _decodes(raw, "utf-8"):
        return UTF8_PAGE
    if codec is None or not _decodes(raw, codec):
        return None
    if codec in _PAGES:
        return _PAGES[codec]
    number = _NUMBER.fullmatch(codec)
    if number is None:
        return None
    return int(number[1]) + (28590 if codec.startswith("iso") else 0)


def decode_header(raw: str) -> str:
    """Text of a header as the parser gives it: 8-bit bytes, encoded words and folds resolved.

    ``raw`` holds undecoded bytes as surrogates (what ``email`` does). Words that can't be decoded
    stay as they are (RFC 2047 section 6.3).
    """
    text = re.sub(r"\r\n|\r|\n", "", unescape(raw))
    if "=?" not in text:
        return text.strip()
    joined = _BETWEEN_WORDS.sub(r"\1", text)
    pieces: list[str] = []
    position = 0
    pending, charset = b"", ""
    for word in _WORD.finditer(joined):
        encoded = _word_bytes(word[2], word[3])
        if encoded is None:
            continue
        # A character may be split across two words of one charset.
        if pending and (word.start() > position or word[1].lower() != charset):
            pieces.append(decode_text(pending, charset))
            pending = b""
        pieces.append(joined[position : word.start()])
        pending += encoded
        charset = word[1].lower()
        position = word.end()
    if pending:
        pieces.append(decode_text(pending, charset))
    pieces.append(joined[position:])
    return "".join(pieces).strip()


def unescape(raw: str) -> str:
    """``raw`` with its undecoded bytes read as UTF-8, else as Windows-1252."""
    if raw.isascii():
        return raw
    return decode_text(raw.encode("utf-8", "surrogateescape"))


def _word_bytes(encoding: str, text: str) -> bytes | None:
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return pybase64.b64decode(raw + b"=" * (-len(raw) % 4))
    except (binascii.Error, ValueError):
        return None


def _decodes(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
