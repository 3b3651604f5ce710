"""Attachments for the sample mail: small files of common kinds, made from a seed."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleFile:
    name: str
    main: str
    sub: str
    content: bytes


def screenshot_png(name: str, dice: random.Random, width: int, height: int) -> SampleFile:
    """An RGB picture of coloured blocks with some grain (PNG, ISO/IEC 15948)."""
    rows = bytearray()
    shades = [[dice.randint(40, 220) for _ in range(3)] for _ in range(64)]
    for y in range(height):
        rows.append(0)
        for x in range(width):
            shade = shades[(x // 40 + y // 40 * 8) % 64]
            grain = dice.getrandbits(4)
            rows += bytes((shade[0] + grain, shade[1] + grain, shade[2] + grain))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(bytes(rows), 6)),
            (b"IEND", b""),
        )
    )
    return SampleFile(name, "image", "png", content)


def report_pdf(name: str, dice: random.Random, lines: int) -> SampleFile:
    """A page of text and a compressed stream of figures (PDF, ISO 32000-1)."""
    rows = "".join(
        f"({dice.choice(('North', 'South', 'East', 'West'))} {dice.randint(1000, 9999)}) Tj T*\n"
        for _ in range(lines)
    )
    text = f"BT /F1 10 Tf 12 TL 50 780 Td\n{rows}ET".encode("ascii")
    figures = zlib.compress(dice.randbytes(lines * 900))
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(figures), figures),
    )
    content = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    content += b"trailer << /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    content += b"startxref\n%d\n%%%%EOF\n" % start
    return SampleFile(name, "application", "pdf", bytes(content))


def report_csv(name: str, dice: random.Random, lines: int) -> SampleFile:
    rows = ["place;day;amount;note"]
    for number in range(lines):
        place = dice.choice(("Århus", "Łódź", "Zürich", "Nagoya", "Oulu"))
        note = dice.choice(("ok", "late", "checked", ""))
        rows.append(
            f"{place};2026-{number % 9 + 1:02d}-{number % 28 + 1:02d};{dice.random():.4f};{note}"
        )
    return SampleFile(name, "text", "csv", "\r\n".join(rows).encode("utf-8"))
