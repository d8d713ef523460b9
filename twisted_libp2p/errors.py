# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Every error of twisted_libp2p: one small tree::

    Libp2pError
      InvalidInput         text or bytes that are not what they claim to be
      LocalError           our side asked for something that cannot be
      RemoteError          the peer, or whoever answered in its place, is to blame
      DialFailed           no address of a peer led to a connection

Who is to blame decides how an error is logged: a L{RemoteError} is an event
of the network and is told once, at info, without a traceback; anything else
that surfaces unasked is a fault of ours.

The text of an error may quote what a peer has sent.  It is made printable, and cut
off, where it is asked for: by C{str()} and C{repr()}; the attributes are as the peer
sent them.

Errors that have a place on the wire carry their code in C{wireCode}: it is
what a muxer puts into the go-away or the reset that the error causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from twisted.internet.error import (
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
)

from twisted_libp2p.printable import printable

__all__ = [
    "AddressRefused",
    "ClosedHere",
    "ConfigurationError",
    "ConnectionClosing",
    "DialFailed",
    "DialToSelf",
    "ErrorCode",
    "Gated",
    "HandshakeFailed",
    "InvalidInput",
    "InvalidKey",
    "InvalidMultiaddr",
    "InvalidPeerID",
    "InvalidRecord",
    "InvalidSignature",
    "LegacyPeer",
    "Libp2pError",
    "LimitExceeded",
    "LimitedConnection",
    "LocalError",
    "NegotiationFailed",
    "NoAddresses",
    "NodeStopping",
    "PeerMismatch",
    "PeerUnresponsive",
    "ProtocolViolation",
    "RemoteError",
    "SessionEnded",
    "StreamAborted",
    "StreamReset",
    "Truncated",
    "UnsupportedAddress",
    "UnsupportedProtocol",
    "UpgradeTimeout",
]


#: The most characters of the text of an error.
MAX_TEXT = 2048


class ErrorCode(IntEnum):
    """
    The codes that a reset of a stream or the go-away of a connection may
    carry: the numbers that go-libp2p puts on the wire (a draft of the
    specification, libp2p/specs pull requests 622 and 623).
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


def _named(code: int) -> str:
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
    The root of the tree: C{except Libp2pError} catches all that this package
    raises on purpose.

    @cvar wireCode: the number that tells the peer of this error where the
        protocol in use has a place for one.
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
        Return the text, as it is; subclasses say more.
        """
        return BaseException.__str__(self)


class InvalidInput(Libp2pError, ValueError):
    """
    Text or bytes that do not parse.  Whether a user or a peer is to blame is
    known only to whoever asked for the parsing.
    """


class InvalidMultiaddr(InvalidInput):
    """
    Not a multiaddr, in text or in bytes.
    """


class InvalidPeerID(InvalidInput):
    """
    Not a peer id, in any of its spellings.
    """


class InvalidKey(InvalidInput):
    """
    Not a key, not in its canonical encoding, or of a size that is refused.
    """


class InvalidSignature(InvalidInput):
    """
    A signature that the key it names did not make.
    """


class InvalidRecord(InvalidInput):
    """
    A signed envelope or peer record that contradicts itself.
    """


class LocalError(Libp2pError):
    """
    Our own side asked for something that cannot be.
    """


class ConfigurationError(LocalError, ValueError):
    """
    An option has a value that cannot be used.  The text is one line for the
    user: what is wrong, and what would be right.
    """


class UnsupportedAddress(LocalError, ValueError):
    """
    No transport of this node can dial, or listen on, the address.
    """


class NoAddresses(LocalError):
    """
    A peer is to be dialed by its id, and no address of it is known.
    """


class DialToSelf(LocalError):
    """
    The peer to be dialed is this node.
    """


class ConnectionClosing(LocalError):
    """
    A stream is asked for on a connection that is closed, or about to be.
    """


class NodeStopping(ConnectionClosing):
    """
    A node is asked to connect, to listen or to open a stream while it stops, or after
    that.
    """

    def __init__(
        self,
        message: str = "the node is stopping, or has stopped: start it again first",
    ) -> None:
        super().__init__(message)


class LimitedConnection(LocalError):
    """
    A stream was refused on a connection that leads through a relay, which limits its
    time and bytes.
    """


class StreamAborted(LocalError, ConnectionAborted):
    """
    Our side reset the stream.
    """

    def __init__(self, message: str = "the stream was reset locally") -> None:
        super().__init__(message)

    def _describe(self) -> str:
        return str(self.args[0])


class ClosedHere(LocalError, ConnectionDone):
    """
    Our side ended the connection in good order, and has told the peer why.

    @ivar code: what it was told.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        return f"this side ended the connection ({_named(self.code)})"


class Gated(LocalError, ConnectError):
    """
    Our gater lets the connection not be.

    @ivar reason: why not.
    """

    wireCode = ErrorCode.GATED

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)
        self.reason = reason

    def _describe(self) -> str:
        return f"refused by the gater: {self.reason}"


class AddressRefused(LocalError, ConnectError):
    """
    An address is not dialed, for it leads where the peer that named it may not
    lead us.

    @ivar reason: where it leads.
    """

    wireCode = ErrorCode.GATED

    def __init__(self, reason: str) -> None:
        super().__init__(None, reason)
        self.reason = reason

    def _describe(self) -> str:
        return f"not dialed: {self.reason}"


class LimitExceeded(LocalError):
    """
    A limit of this node stands in the way.

    @ivar scope: what is limited, such as C{"connection"} or C{"peer"}.
    @ivar limit: how much is allowed.
    @ivar current: how much there is.
    @ivar option: the option that changes the limit.
    """

    wireCode = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, scope: str, limit: int, current: int, option: str) -> None:
        super().__init__(scope, limit, current, option)
        self.scope = scope
        self.limit = limit
        self.current = current
        self.option = option

    def _describe(self) -> str:
        return (
            f"{self.scope}: {self.current} of {self.limit} in use;"
            f" the limit is set by {self.option}"
        )


class RemoteError(Libp2pError):
    """
    The peer, or whoever answered in its place, is to blame.
    """


class ProtocolViolation(RemoteError, ConnectionLost):
    """
    The peer sent what its protocol forbids.  The connection (or, where the
    protocol says so, the stream) ends.

    @ivar layer: the protocol that was broken, such as C{"/yamux/1.0.0"}.
    """

    wireCode = ErrorCode.PROTOCOL_VIOLATION

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(layer, message)
        self.layer = layer

    def _describe(self) -> str:
        return f"{self.layer}: {self.args[1]}"


class NegotiationFailed(RemoteError, ConnectError):
    """
    The two sides did not agree on a protocol.
    """

    wireCode = ErrorCode.NEGOTIATION_FAILED

    def __init__(self, message: str) -> None:
        super().__init__(None, message)
        self.message = message

    def _describe(self) -> str:
        return self.message


class UnsupportedProtocol(NegotiationFailed):
    """
    One side speaks none of the protocols that the other has proposed.

    @ivar proposed: what was proposed, in the order of preference.
    @ivar spoken: what the other side speaks instead; empty if that is not
        known.
    """

    def __init__(self, proposed: Sequence[str], spoken: Sequence[str] = ()) -> None:
        message = f"{', '.join(proposed) or 'nothing'} was proposed, and none is spoken"
        if spoken:
            message += f"; spoken are {', '.join(spoken)}"
        super().__init__(message)
        self.proposed = tuple(proposed)
        self.spoken = tuple(spoken)


class LegacyPeer(NegotiationFailed):
    """
    A bootstrap negotiation met a peer that knows only multistream-select; it
    has to be dialed again in that dialect.
    """

    def __init__(self) -> None:
        super().__init__("the peer does not speak the bootstrap dialect")


class HandshakeFailed(RemoteError, ConnectError):
    """
    A security handshake did not succeed.

    @ivar layer: the security protocol.
    """

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(None, message)
        self.layer = layer
        self.message = message

    def _describe(self) -> str:
        return f"{self.layer}: {self.message}"


class PeerMismatch(HandshakeFailed):
    """
    Somebody else answered: the handshake proved another peer id than the one
    that was dialed.

    @ivar expected: the text of the peer id that was dialed.
    @ivar obtained: the text of the peer id that answered.
    """

    def __init__(self, layer: str, expected: str, obtained: str) -> None:
        super().__init__(layer, f"expected peer {expected}, but {obtained} answered")
        self.expected = expected
        self.obtained = obtained


class UpgradeTimeout(RemoteError, ConnectError):
    """
    A connection, or a stream, was not negotiated within its deadline.

    @ivar phase: what was being waited for.
    @ivar seconds: the deadline.
    """

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(None, phase)
        self.phase = phase
        self.seconds = seconds

    def _describe(self) -> str:
        return f"{self.phase} was not done within {self.seconds:g} seconds"


class StreamReset(RemoteError, ConnectionLost):
    """
    The peer reset the stream.

    @ivar code: the code that came with it; 0 where there was none.
    """

    def __init__(self, code: int = ErrorCode.NONE) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        suffix = f" ({_named(self.code)})" if self.code else ""
        return "the peer reset the stream" + suffix


class SessionEnded(RemoteError, ConnectionLost):
    """
    The peer announced the end of the whole connection by a go-away.

    @ivar code: why; 0 is a normal end.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        return f"the peer ended the session ({_named(self.code)})"


class PeerUnresponsive(RemoteError, ConnectionLost):
    """
    The peer has answered nothing for too long, and is taken for dead.

    @ivar seconds: for how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def _describe(self) -> str:
        return f"the peer gave no sign of life for {self.seconds:g} seconds"


class Truncated(RemoteError, ConnectionLost):
    """
    The transport has ended in good order, but the peer had not announced that this
    would be the end: it may have crashed, or somebody in the middle has cut it.

    Some peers never announce it: js-libp2p and py-libp2p do not in TLS, and nobody
    can over mplex unless by TLS.

    @ivar layer: the protocol in which it would have been announced.
    """

    def __init__(self, layer: str) -> None:
        super().__init__(layer)
        self.layer = layer

    def _describe(self) -> str:
        return f"{self.layer}: the peer had not announced the end"


class DialFailed(Libp2pError, ConnectError):
    """
    No address of a peer led to a connection.

    @ivar peer: the text of the peer id, or of the address, that was dialed.
    @ivar causes: for each address that was tried, its text and the error.
    """

    def __init__(self, peer: str, causes: Sequence[tuple[str, BaseException]]) -> None:
        super().__init__(None, peer)
        self.peer = peer
        self.causes = tuple(causes)

    def _describe(self) -> str:
        if not self.causes:
            return f"cannot dial {self.peer}: no usable address"
        told = "; ".join(
            str(error) if address == self.peer else f"{address}: {error}"
            for address, error in self.causes
        )
        return f"cannot dial {self.peer}: {told}"


E = TypeVar("E", bound=BaseException)


def untraced(error: E) -> E:
    """
    Return the same error, fit to be kept: without the tracebacks of the error and
    of its causes, whose frames hold on to the bytes that a peer has sent.  A fault of
    ours keeps them.
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
