# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The root of all errors, their codes on the wire, and the error of a whole dial.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost

from twisted_libp2p.printable import printable

__all__ = [
    "MAX_TEXT",
    "DialFailed",
    "ErrorCode",
    "Libp2pError",
    "nameOf",
    "untraced",
]

#: Maximum number of characters of the text of an error.
MAX_TEXT = 2048


class ErrorCode(IntEnum):
    """
    The codes that a reset of a stream or the go-away of a connection may carry: the
    numbers that go-libp2p sends (a draft of the specification, libp2p/specs pull
    requests 622 and 623).
    """

    NONE = 0
    NEGOTIATION_FAILED = 0x1001
    LIMIT_EXCEEDED = 0x1002
    RATE_LIMITED = 0x1003
    PROTOCOL_VIOLATION = 0x1004
    SUPPLANTED = 0x1005
    TRIMMED = 0x1006
    SHUTDOWN = 0x1007
    GATED = 0x1008


def nameOf(code: int) -> str:
    """
    Return the text of a code, with its name if it has one.
    """
    try:
        name = ErrorCode(code).name
    except ValueError:
        return f"code {code:#x}"
    return f"code {code:#x}, {name}"


class Libp2pError(Exception):
    """
    The root of the tree: C{except Libp2pError} catches every error that this package
    raises on purpose.

    @cvar wireCode: the number that reports this error to the peer, if the protocol in
        use has a place for one.
    """

    wireCode: int = ErrorCode.NONE

    def __str__(self) -> str:
        """
        Return one line that is safe to show.
        """
        return printable(self._describe(), MAX_TEXT)

    def __repr__(self) -> str:
        return printable(BaseException.__repr__(self), MAX_TEXT)

    def _describe(self) -> str:
        """
        Return the unchanged text; subclasses add details.
        """
        return BaseException.__str__(self)


class DialFailed(Libp2pError, ConnectError):
    """
    No address of a peer led to a connection.

    @ivar peer: the text of the dialed peer id or address.
    @ivar causes: for each address that was tried, its text and the error.
    """

    def __init__(self, peer: str, causes: Sequence[tuple[str, BaseException]]) -> None:
        super().__init__(None, peer)
        self.peer = peer
        self.causes = tuple(causes)

    def _describe(self) -> str:
        if not self.causes:
            return f"cannot dial {self.peer}: no usable address"
        causes = "; ".join(
            str(error) if address == self.peer else f"{address}: {error}"
            for address, error in self.causes
        )
        return f"cannot dial {self.peer}: {causes}"


E = TypeVar("E", bound=BaseException)


def untraced(error: E) -> E:
    """
    Remove the tracebacks of an error and its causes, so that it can be stored: their
    frames keep the bytes that a peer has sent in memory.  A defect of ours keeps its
    traceback.

    @return: the same error.
    """
    if isinstance(error, Libp2pError | ConnectError | ConnectionLost | ConnectionDone):
        chain: list[BaseException | None] = [error]
        seen: set[int] = set()
        while chain:
            each = chain.pop()
            if each is not None and id(each) not in seen:
                seen.add(id(each))
                each.__traceback__ = None
                chain += (each.__cause__, each.__context__)
    return error
