"""NTLM and ids by the published examples, and what is handed in instead of them."""

import base64
import struct

import pytest

from sandbox.ews.errors import EwsError
from sandbox.ews.ids import read_change_key, read_id, write_change_key, write_id
from sandbox.ews.ntlm import NtlmError, Proof, md4, message_type, read_authenticate
from sandbox.ews.xml import MAX_DEPTH, XmlError, parse
from sandbox.identifiers import change_key, item_id
from tests.sandbox.conftest import client_for
from tests.sandbox.ews import Server

# MS-NLMP 4.2.1 and 4.2.4: the common values and NTLMv2 authentication.
CHALLENGE = bytes.fromhex("0123456789abcdef")
PROOF = bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c")
TEMP = (
    bytes.fromhex("0101000000000000" + "00" * 8 + "aa" * 8 + "00000000" + "02000c00")
    + "Domain".encode("utf-16-le")
    + bytes.fromhex("01000c00")
    + "Server".encode("utf-16-le")
    + bytes(8)
)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_gives_the_digests_of_its_specification(text: bytes, digest: str):
    assert md4(text).hex() == digest


def test_the_proof_of_the_specification_holds_and_no_other():
    proof = Proof("Domain", "User", PROOF + TEMP)
    assert proof.holds("Password", CHALLENGE)
    assert not proof.holds("password", CHALLENGE)
    assert not proof.holds("Password", bytes(8))
    assert not Proof("Domain", "Other", PROOF + TEMP).holds("Password", CHALLENGE)
    assert not Proof("Domain", "User", b"").holds("Password", CHALLENGE)


def test_a_token_that_is_damaged_is_no_crash(server: Server):
    whole = b"NTLMSSP\0" + struct.pack("<I", 3)
    for token in (b"", b"NTLMSSP\0", whole[:-4] + struct.pack("<I", 2)):
        with pytest.raises(NtlmError):
            message_type(token)
    with pytest.raises(NtlmError):
        read_authenticate(whole + struct.pack("<HHI", 100, 100, 5000) * 8)
    with client_for(server.sandbox) as client:
        for token in (whole, b"x", whole + struct.pack("<HHI", 9, 9, 60) * 8):
            header = f"NTLM {base64.b64encode(token).decode()}"
            answer = client.post(server.account.ews_url, headers={"Authorization": header})
            assert answer.status_code == 401
        answer = client.post(server.account.ews_url, headers={"Authorization": "Basic !"})
        assert answer.status_code == 401


def test_a_proof_is_good_for_the_challenge_of_its_own_connection(server: Server):
    """Without a challenge before it, an AUTHENTICATE message proves nothing."""
    name = "stowage@acme.example".encode("utf-16-le")
    response = bytes(16) + TEMP
    fields = [
        (b"", 64),
        (response, 64),
        (b"", 64),
        (name, 64 + len(response)),
        (b"", 64),
        (b"", 64),
    ]
    head = b"NTLMSSP\0" + struct.pack("<I", 3)
    head += b"".join(struct.pack("<HHI", len(value), len(value), at) for value, at in fields)
    token = head + struct.pack("<I", 1) + response + name
    assert read_authenticate(token).user == "stowage@acme.example"
    with client_for(server.sandbox) as client:
        header = f"NTLM {base64.b64encode(token).decode()}"
        answer = client.post(server.account.ews_url, headers={"Authorization": header})
        assert answer.status_code == 401


def test_an_id_leads_back_to_the_stores_and_is_not_it():
    mailbox = "MBX:6f9619ff-8b86-d011-b42d-00cf4fc964ff@directory"
    stored = item_id(mailbox, 5)
    written = write_id(mailbox, stored)
    assert written != stored
    reference = read_id(written)
    assert (reference.guid, reference.id) == ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", stored)
    key = change_key(stored, 7)
    assert write_change_key(key) != key
    assert read_change_key(write_change_key(key)) == key


@pytest.mark.parametrize("text", ["", "?", "AAAA", "AAMkAA==", "ä"])
def test_what_is_no_id_is_named_malformed(text: str):
    with pytest.raises(EwsError, match="ErrorInvalidIdMalformed"):
        read_id(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a>",
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>\xff</a>",
    ],
)
def test_what_is_no_plain_xml_is_refused(text: bytes):
    with pytest.raises(XmlError):
        parse(text)
