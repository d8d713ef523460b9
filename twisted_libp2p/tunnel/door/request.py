# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of the machines that read what a program asks of the door.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple
from typing import Protocol as Contract

__all__ = ["DoorRequest", "Refusal", "Refused", "Wanted"]


class Wanted(NamedTuple):
    """
    The place that a program wants to reach.

    @ivar host: the host, as the program wrote it.
    @ivar port: the port.
    """

    host: str
    port: int


class Refusal(Enum):
    """
    A kind of refusal.

    @ivar reply: the reply of SOCKS5 (RFC 1928, section 6).
    @ivar status: the status of HTTP.
    @ivar phrase: the text beside that status.
    """

    MALFORMED = 1, 400, "Bad Request"
    FORBIDDEN = 2, 403, "Forbidden"
    UNREACHABLE = 4, 502, "Bad Gateway"
    NOT_SERVED = 5, 502, "Bad Gateway"
    LATE = 6, 504, "Gateway Timeout"
    COMMAND = 7, 501, "Not Implemented"
    ADDRESS = 8, 403, "Forbidden"

    def __init__(self, reply: int, status: int, phrase: str) -> None:
        self.reply = reply
        self.status = status
        self.phrase = phrase


class Refused(Exception):
    """
    The door does not connect a program.

    @ivar kind: the kind of refusal.
    """

    def __init__(self, kind: Refusal, reason: str) -> None:
        """
        @param reason: one line for the user.
        """
        super().__init__(reason)
        self.kind = kind


class DoorRequest(Contract):
    """
    Reads the request of a program.  Without I/O.

    @ivar wanted: the place to reach; None before the request is complete.
    @ivar trailing: the bytes for the peer that came with the request.
    """

    wanted: Wanted | None
    trailing: bytes

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the program, until L{wanted} is set.

        @return: the answer, which may be empty.
        @raise Refused: the request is malformed, or cannot be met.
        """

    def accept(self) -> bytes:
        """
        Return the answer to a request whose peer is connected.
        """

    def refuse(self, refused: Refused) -> bytes:
        """
        Return the answer to a request that is not met.
        """
