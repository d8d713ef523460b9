# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of a transfer: JSON, preceded by its length.

The sender offers a file, the receiver answers with the offset from which it needs the
bytes, which follow, and after their end with the result.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire.frames import delimit

__all__ = [
    "MAX_MESSAGE",
    "MAX_NAME",
    "PROTOCOL_ID",
    "STALL_TIME",
    "Offer",
    "parseMessage",
    "writeMessage",
]

PROTOCOL_ID: Final = "/twisted-libp2p/file/1.0.0"

#: Maximum size of a message, in bytes.
MAX_MESSAGE: Final = 4096

#: Maximum size of the name of a file, in bytes: there is room for an ending.
MAX_NAME: Final = 200

#: Maximum size of a file, in bytes.
MAX_SIZE: Final = 1 << 50

#: Seconds without a byte after which a transfer is interrupted.
STALL_TIME: Final = 60.0

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SECRET = re.compile(r"([0-9a-f]{2}){0,64}")

# Separators of folders, and the characters that Windows keeps for itself.
_SPECIAL = re.compile(r'[/\\:*?"<>|]')


def writeMessage(message: dict[str, Any]) -> bytes:
    """
    Return the bytes of a message, with their length.
    """
    return delimit(json.dumps(message).encode())


def parseMessage(data: bytes) -> dict[str, Any]:
    """
    Parse a message.

    @raise InvalidInput: it is malformed.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput("not a message of JSON") from None
    if not isinstance(message, dict):
        raise InvalidInput("not an object of JSON")
    return message


def checkFileName(name: str) -> str:
    """
    Check the name of a file that a peer wants to have written.

    @raise InvalidInput: it could be in another folder, or hidden, or is not printable.
    """
    if (
        not name
        or name.startswith(".")
        or name.endswith((".", " "))
        or not name.isprintable()
        or _SPECIAL.search(name)
        or len(name.encode()) > MAX_NAME
    ):
        raise InvalidInput(f"{name[:MAX_NAME]!r} is not a name for a file here")
    return name


@dataclass(frozen=True)
class Offer:
    """
    The offer of a file.

    @ivar name: its name, without a folder.
    @ivar size: its size, in bytes.
    @ivar digest: its SHA-256, in hexadecimal digits.
    @ivar secret: the secret of a ticket; empty without one.
    """

    name: str
    size: int
    digest: str
    secret: bytes = b""

    def __repr__(self) -> str:
        # The secret would end up in logs.
        return f"<Offer of {self.name!r}, {self.size} bytes>"

    def toBytes(self) -> bytes:
        """
        Return the message of the offer.
        """
        facts = {"name": self.name, "size": self.size, "sha256": self.digest}
        if self.secret:
            facts["secret"] = self.secret.hex()
        return writeMessage(facts)

    @classmethod
    def parse(cls, data: bytes) -> Offer:
        """
        Parse the message of an offer, without its length.

        @raise InvalidInput: it is malformed, or no file may have the name.
        """
        facts = parseMessage(data)
        name, size, digest, secret = (
            facts.get(each) for each in ("name", "size", "sha256", "secret")
        )
        if type(size) is not int or not 0 <= size <= MAX_SIZE:
            raise InvalidInput("an offer without a size")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InvalidInput("an offer without a SHA-256")
        secret = "" if secret is None else secret
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
            raise InvalidInput("an offer with a malformed secret")
        if not isinstance(name, str):
            raise InvalidInput("an offer without a name")
        return cls(checkFileName(name), size, digest, bytes.fromhex(secret))
