# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of a control socket: one line of JSON for a request, one for its answer.
"""

from __future__ import annotations

import json
from typing import Any, Final

from twisted_libp2p.errors import InvalidInput

__all__ = ["MAX_LINE", "LineBuffer", "parseMessage", "writeMessage"]

#: Maximum size of a line, in bytes.
MAX_LINE: Final = 1 << 20


def writeMessage(message: dict[str, Any]) -> bytes:
    """
    Return the line of a message.
    """
    return json.dumps(message).encode() + b"\n"


def parseMessage(line: bytes) -> dict[str, Any]:
    """
    Parse the line of a message.

    @raise InvalidInput: the line is malformed.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInput("not a line of JSON") from None
    if not isinstance(message, dict):
        raise InvalidInput("not an object of JSON")
    return message


class LineBuffer:
    """
    Collects one line.
    """

    def __init__(self, maximum: int = MAX_LINE) -> None:
        """
        @param maximum: the maximum size of the line, in bytes.
        """
        self._data = b""
        self._maximum = maximum

    def feed(self, data: bytes) -> dict[str, Any] | None:
        """
        Take in bytes.

        @return: the message; None if it is not complete.
        @raise InvalidInput: it is too long, or malformed.
        """
        self._data += data
        line, end, _ = self._data.partition(b"\n")
        if len(line) > self._maximum:
            raise InvalidInput(f"a line of over {self._maximum} bytes")
        return parseMessage(line) if end else None
