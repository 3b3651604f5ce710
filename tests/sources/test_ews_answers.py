"""The reader of SOAP answers, fed with bytes alone."""

import base64
from mmap import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.sources import Damaged, Retry, payloads
from backups.sources.ews.answers import Answer, BrokenAnswer, Reader, problem_of
from backups.sources.ews.soap import ERRORS, MESSAGES, SOAP, TYPES, Body, Encoded, m

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>'
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" xmlns:e="{ERRORS}">'
    '<s:Header><t:ServerVersionInfo MajorVersion="15" MinorVersion="2"'
    ' MajorBuildNumber="1544" MinorBuildNumber="4"/></s:Header><s:Body>'
)
TAIL = "</s:Body></s:Envelope>"


def envelope(body: str) -> str:
    return f"{HEAD}{body}{TAIL}"


def exported(*contents: str) -> str:
    messages = "".join(
        '<m:ExportItemsResponseMessage ResponseClass="Success">'
        f'<m:ResponseCode>NoError</m:ResponseCode><m:ItemId Id="{number}" ChangeKey="k"/>'
        f"<m:Data>{content}</m:Data></m:ExportItemsResponseMessage>"
        for number, content in enumerate(contents)
    )
    return envelope(
        f"<m:ExportItemsResponse><m:ResponseMessages>{messages}</m:ResponseMessages>"
        "</m:ExportItemsResponse>"
    )


def read(text: str | bytes, size: int = 7) -> Answer:
    raw = text.encode() if isinstance(text, str) else text
    reader = Reader()
    for start in range(0, len(raw), size):
        reader.feed(raw[start : start + size])
    return reader.finish()


def streams(answer: Answer) -> list:
    return [answer.stream(message.find(m("Data"))) for message in answer.messages]


@given(
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
    st.integers(min_value=1, max_value=64),
)
def test_streams_come_out_however_the_answer_was_cut(sent: list[bytes], size: int) -> None:
    answer = read(exported(*(base64.b64encode(one).decode() for one in sent)), size)
    assert streams(answer) == [(one, None) for one in sent]
    assert answer.version == "15.2.1544.4"


@given(st.integers(min_value=0, max_value=10_000))
def test_an_answer_that_ends_early_is_never_taken_for_whole(cut: int) -> None:
    whole = exported(base64.b64encode(bytes(90)).decode())
    with pytest.raises(BrokenAnswer):
        read(whole[: cut % len(whole)])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("QUJDR", Retry),
        ("QUJDRA==\n=== Truncated Data ===", Retry),
        ("QUJD=== Truncated Data ===", Retry),
        ("QUJD*A==", Damaged),
        ("QQ==QUJD", Damaged),
        ("", Retry),
    ],
)
def test_anything_but_whole_base64_is_an_error_of_its_item(
    text: str, error: type[Exception]
) -> None:
    (payload, problem), good = streams(read(exported(text, "QUJD")))
    assert payload is None
    assert isinstance(problem, error)
    assert good == (b"ABC", None)


def test_a_large_stream_goes_to_a_file_without_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(payloads, "IN_MEMORY", 1_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    large = bytes(range(256)) * 50

    ((payload, _),) = streams(read(exported(base64.b64encode(large).decode()), 500))

    assert isinstance(payload, mmap)
    assert payload[:] == large
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>Sign in</body></html>",
        "not XML",
        f'<s:Envelope xmlns:s="{SOAP}"/>',
        envelope("&b;").replace("<s:", '<!DOCTYPE a [<!ENTITY b "c">]><s:', 1),
        envelope("").replace("<s:", '<!DOCTYPE a SYSTEM "http://127.0.0.1/x"><s:', 1),
    ],
)
def test_what_is_no_soap_answer_is_broken(text: str) -> None:
    with pytest.raises(BrokenAnswer):
        read(text)


@pytest.mark.parametrize("size", [1, 3, 5_000])
def test_characters_that_xml_forbids_do_not_cost_the_answer(size: int) -> None:
    said = "a&#x1F;b&#11;c&#x26;d&amp;e&#xD83D;f&#65;"
    body = (
        "<m:A><m:ResponseMessages><m:B><m:MessageText>"
        f"{said}</m:MessageText></m:B></m:ResponseMessages></m:A>"
    )
    (message,) = read(envelope(body), size).messages
    assert message.findtext(m("MessageText")) == "a?b?c&d&e?fA"


def test_a_fault_is_read_with_the_time_that_the_server_asks_for() -> None:
    answer = read(
        envelope(
            "<s:Fault><faultcode>a:ErrorServerBusy</faultcode><faultstring>Busy.</faultstring>"
            "<detail><e:ResponseCode>ErrorServerBusy</e:ResponseCode><e:Message>Later.</e:Message>"
            '<t:MessageXml><t:Value Name="BackOffMilliseconds">297749</t:Value></t:MessageXml>'
            "</detail></s:Fault>"
        )
    )
    assert answer.fault is not None
    assert (answer.fault.code, answer.fault.message) == ("ErrorServerBusy", "Later.")
    assert answer.fault.back_off == 297.749


def test_a_fault_without_detail_has_the_code_of_soap() -> None:
    answer = read(
        envelope("<s:Fault><faultcode>s:Client</faultcode><faultstring>No.</faultstring></s:Fault>")
    )
    assert answer.fault is not None
    assert (answer.fault.code, answer.fault.back_off) == ("Client", None)


def test_a_warning_is_no_success() -> None:
    body = (
        '<m:A><m:ResponseMessages><m:B ResponseClass="Warning"><m:MessageText>Stopped.'
        "</m:MessageText><m:ResponseCode>ErrorBatchProcessingStopped</m:ResponseCode>"
        "</m:B></m:ResponseMessages></m:A>"
    )
    problem = problem_of(read(envelope(body)).messages[0])
    assert problem is not None
    assert str(problem) == "ErrorBatchProcessingStopped: Stopped."


def test_a_body_can_be_sent_again_and_knows_its_length() -> None:
    payload = bytes(range(256)) * 10_000
    body = Body("<é>", Encoded(payload), "</é>")
    sent = b"".join(body)
    assert sent == b"".join(body)
    assert len(sent) == len(body)
    assert sent == "<é>".encode() + base64.b64encode(payload) + "</é>".encode()
