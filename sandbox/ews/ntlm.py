"""The server's side of NTLMv2 over HTTP (MS-NLMP, MS-NTHT), without signing or sealing.

A client sends NEGOTIATE, gets a CHALLENGE with eight random bytes, and proves with AUTHENTICATE
that it knows the password. Here: version 2 only, no message integrity code, no channel binding.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import time
from dataclasses import dataclass

_SIGNATURE = b"NTLMSSP\0"
_NEGOTIATE, _CHALLENGE, _AUTHENTICATE = 1, 2, 3
_UNICODE, _TARGET, _NTLM, _EXTENDED, _TARGET_INFO = 0x1, 0x4, 0x200, 0x80000, 0x800000
_DOMAIN_TYPE, _ALWAYS_SIGN, _KEY_128, _KEY_56 = 0x10000, 0x8000, 0x20000000, 0x80000000
_FLAGS = (
    _UNICODE | _TARGET | _NTLM | _EXTENDED | _TARGET_INFO | _DOMAIN_TYPE | _ALWAYS_SIGN
    | _KEY_128 | _KEY_56
)  # fmt: skip
_END, _COMPUTER, _DOMAIN, _TIMESTAMP = 0, 1, 2, 7
_FILETIME_1970 = 116_444_736_000_000_000
_HEADER = 56
_PROOF = 16


class NtlmError(ValueError):
    """A token that is not of NTLM, or not the one that comes next."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Who a client says it is, and what it offers for it."""

    domain: str
    user: str
    response: bytes

    def holds(self, password: str, challenge: bytes) -> bool:
        """Whether the response could only be computed with the password (3.3.2)."""
        if len(self.response) <= _PROOF:
            return False
        nt_hash = md4(password.encode("utf-16-le"))
        who = (self.user.upper() + self.domain).encode("utf-16-le")
        key = hmac.digest(nt_hash, who, hashlib.md5)
        wanted = hmac.digest(key, challenge + self.response[_PROOF:], hashlib.md5)
        return hmac.compare_digest(wanted, self.response[:_PROOF])


def message_type(token: bytes) -> int:
    """1 NEGOTIATE or 3 AUTHENTICATE. Raises NtlmError."""
    if len(token) < 12 or not token.startswith(_SIGNATURE):
        raise NtlmError("not a message of NTLM")
    kind: int = struct.unpack_from("<I", token, 8)[0]
    if kind not in (_NEGOTIATE, _AUTHENTICATE):
        raise NtlmError(f"message {kind} is not a client's")
    return kind


def write_challenge(challenge: bytes, domain: str) -> bytes:
    """The CHALLENGE message (2.2.1.2) with the server's eight bytes."""
    name = domain.encode("utf-16-le")
    filetime = int(time.time() * 10_000_000) + _FILETIME_1970
    info = b"".join(
        struct.pack("<HH", kind, len(value)) + value
        for kind, value in (
            (_DOMAIN, name),
            (_COMPUTER, "EXCHANGE".encode("utf-16-le")),
            (_TIMESTAMP, struct.pack("<Q", filetime)),
            (_END, b""),
        )
    )
    head = _SIGNATURE + struct.pack("<I", _CHALLENGE)
    head += struct.pack("<HHI", len(name), len(name), _HEADER)
    head += struct.pack("<I", _FLAGS) + challenge + bytes(8)
    head += struct.pack("<HHI", len(info), len(info), _HEADER + len(name))
    head += b"\x0a\x00\x00\x00\x00\x00\x00\x0f"  # version, as 2.2.2.10 wants it to be there
    return head + name + info


def read_authenticate(token: bytes) -> Proof:
    """The AUTHENTICATE message (2.2.1.3). Raises NtlmError."""
    try:
        response, domain, user = (_field(token, offset) for offset in (20, 28, 36))
        flags: int = struct.unpack_from("<I", token, 60)[0]
        encoding = "utf-16-le" if flags & _UNICODE else "cp1252"
        return Proof(domain.decode(encoding), user.decode(encoding), response)
    except (struct.error, UnicodeDecodeError) as error:
        raise NtlmError(f"the AUTHENTICATE message is damaged: {error}") from error


def md4(message: bytes) -> bytes:
    """RFC 1320. OpenSSL 3 has it only among its retired algorithms."""
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64)
    padded += struct.pack("<Q", len(message) * 8)
    for start in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, start)
        added = _rounds(list(state), words)
        state = [(one + other) & 0xFFFFFFFF for one, other in zip(state, added, strict=True)]
    return struct.pack("<4I", *state)


_ORDERS = (
    (tuple(range(16)), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def _rounds(state: list[int], words: tuple[int, ...]) -> list[int]:
    for number, (order, shifts, constant) in enumerate(_ORDERS):
        for step, index in enumerate(order):
            a, b, c, d = state
            mixed = (
                (b & c) | (~b & d),
                (b & c) | (b & d) | (c & d),
                b ^ c ^ d,
            )[number]
            total = (a + mixed + words[index] + constant) & 0xFFFFFFFF
            shift = shifts[step % 4]
            state = [d, (total << shift | total >> (32 - shift)) & 0xFFFFFFFF, b, c]
    return state


def _field(token: bytes, offset: int) -> bytes:
    length, _, start = struct.unpack_from("<HHI", token, offset)
    if start + length > len(token):
        raise NtlmError("a field of the AUTHENTICATE message is outside of it")
    return token[start : start + length]
