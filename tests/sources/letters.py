"""Mail for the tests of the sources."""


def mail(number: int, body: str = "Hello") -> bytes:
    return (
        f"From: Anna Berg <anna@acme.example>\r\nTo: ravi@acme.example\r\n"
        f"Subject: Mail {number}\r\nMessage-ID: <{number}@acme.example>\r\n"
        f"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n\r\n{body}\r\n"
    ).encode()
