from __future__ import annotations


class OrganizationRefused(Exception):
    """The organization cannot be kept like this; the message is for the person who asked.

    ``field`` is the argument that is wrong, "" when it is none of them.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
