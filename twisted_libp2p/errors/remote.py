# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Errors that the peer, or an impostor, has caused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionLost

from twisted_libp2p.errors.base import ErrorCode, Libp2pError, nameOf

if TYPE_CHECKING:
    # It takes two fifths of the start of "libp2p id".
    from twisted.python.failure import Failure

__all__ = [
    "CircuitLimit",
    "CircuitRefused",
    "DoubleNAT",
    "HandshakeEnded",
    "HandshakeFailed",
    "LegacyPeer",
    "MappingRefused",
    "NegotiationEnded",
    "NegotiationFailed",
    "NoCertificate",
    "NoGateway",
    "PairingRefused",
    "PeerMismatch",
    "PeerUnresponsive",
    "ProtocolViolation",
    "ProxyRefused",
    "RemoteError",
    "RendezvousRefused",
    "ReservationRefused",
    "SessionEnded",
    "StreamReset",
    "TransferFailed",
    "Truncated",
    "TwoInitiators",
    "UnsupportedProtocol",
    "UpgradeTimeout",
    "departed",
]


# What some codes of a peer mean to the user of this node.
_MEANINGS: Final[dict[int, str]] = {
    ErrorCode.LIMIT_EXCEEDED: "it has reached a limit",
    ErrorCode.TRIMMED: "it had too many connections",
    ErrorCode.GATED: "it refuses this node",
}


def _explain(code: int) -> str:
    """
    Return the text of a code of the peer, with its meaning if the name needs it.
    """
    meaning = _MEANINGS.get(code)
    return nameOf(code) if meaning is None else f"{nameOf(code)}: {meaning}"


class RemoteError(Libp2pError):
    """
    The peer, or an impostor that answered in its place, is to blame.
    """


class ProtocolViolation(RemoteError, ConnectionLost):
    """
    The peer violated its protocol.  The connection (or, if the protocol says so, the
    stream) ends.

    @ivar layer: the violated protocol, such as C{"/yamux/1.0.0"}.
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

    @ivar proposed: the proposed protocols, in the order of preference.
    @ivar spoken: the protocols that the other side speaks; empty if they are not known.
    """

    def __init__(self, proposed: Sequence[str], spoken: Sequence[str] = ()) -> None:
        message = f"no common protocol: {', '.join(proposed) or 'nothing'} was proposed"
        if spoken:
            message += f"; spoken are {', '.join(spoken)}"
        super().__init__(message)
        self.proposed = tuple(proposed)
        self.spoken = tuple(spoken)


class NegotiationEnded(NegotiationFailed):
    """
    The connection or the stream ended during the negotiation.  The peer may have dialed
    several addresses, and be connected at another one.
    """


class LegacyPeer(NegotiationFailed):
    """
    A negotiation in the draft's dialect met a peer that speaks only
    multistream-select; it has to be dialed again in that dialect.
    """

    def __init__(self) -> None:
        super().__init__("the peer does not speak the bootstrap dialect")


class HandshakeFailed(RemoteError, ConnectError):
    """
    A security handshake failed.

    @ivar layer: the security protocol.
    """

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(None, message)
        self.layer = layer
        self.message = message

    def _describe(self) -> str:
        return f"{self.layer}: {self.message}"


class HandshakeEnded(HandshakeFailed):
    """
    The connection ended during the handshake.  The peer may have dialed several
    addresses, and be connected at another one.
    """


class TwoInitiators(HandshakeFailed, NegotiationFailed):
    """
    The peer has begun a negotiation or a handshake in place of answering ours.

    TCP makes one connection of two dials that meet, if each comes from the port to
    which the other goes; each side is the initiator then.  The dialer dials once more,
    from another port.
    """

    def __init__(self, layer: str, message: str = "both sides have begun") -> None:
        ConnectError.__init__(self, None, message)
        self.layer = layer
        self.message = message


class PeerMismatch(HandshakeFailed):
    """
    Another peer answered: the handshake proved another peer id than the dialed one.

    @ivar expected: the text of the dialed peer id.
    @ivar obtained: the text of the peer id that answered.
    """

    def __init__(self, layer: str, expected: str, obtained: str) -> None:
        super().__init__(layer, f"expected peer {expected}, but {obtained} answered")
        self.expected = expected
        self.obtained = obtained


class ProxyRefused(RemoteError, ConnectError):
    """
    The proxy through which this node dials does not connect it with the peer.

    @ivar code: the reply of SOCKS5, or the status of HTTP.
    @ivar reason: its meaning.
    @ivar proxy: the proxy, without a password; empty if it is not known.
    """

    def __init__(self, code: int, reason: str, proxy: str = "") -> None:
        super().__init__(None, reason)
        self.code = code
        self.reason = reason
        self.proxy = proxy

    def _describe(self) -> str:
        return f"the proxy {self.proxy} does not connect: {self.reason}"


class UpgradeTimeout(RemoteError, ConnectError):
    """
    A connection, or a stream, was not negotiated within its deadline.

    @ivar phase: the unfinished phase.
    @ivar seconds: the deadline.
    """

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(None, phase)
        self.phase = phase
        self.seconds = seconds

    def _describe(self) -> str:
        return f"{self.phase} was not done within {self.seconds:g} seconds"


class PairingRefused(RemoteError):
    """
    A node did not accept our ticket.

    @ivar reason: its reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _describe(self) -> str:
        return f"not paired: {self.reason}"


class TransferFailed(RemoteError):
    """
    A file was not sent, or not received.

    @ivar reason: the reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def _describe(self) -> str:
        return self.reason


class StreamReset(RemoteError, ConnectionLost):
    """
    The peer reset the stream.

    @ivar code: its code; 0 if there was none.
    """

    def __init__(self, code: int = ErrorCode.NONE) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        suffix = f" ({_explain(self.code)})" if self.code else ""
        return "the peer reset the stream" + suffix


class SessionEnded(RemoteError, ConnectionLost):
    """
    The peer announced the end of the whole connection by a go-away.

    @ivar code: its code; 0 is a normal end.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def _describe(self) -> str:
        return f"the peer ended the session ({_explain(self.code)})"


class PeerUnresponsive(RemoteError, ConnectionLost):
    """
    The peer has not answered for too long, and counts as dead.

    @ivar seconds: the duration of its silence.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def _describe(self) -> str:
        return f"the peer gave no sign of life for {self.seconds:g} seconds"


class Truncated(RemoteError, ConnectionLost):
    """
    The transport ended in good order, but the peer had not announced this end: it may
    have crashed, or an attacker in the middle has cut the connection.

    Some peers never announce their end: js-libp2p and py-libp2p do not in TLS, and
    over mplex only TLS can announce it.

    @ivar layer: the protocol that would have carried the announcement.
    """

    def __init__(self, layer: str) -> None:
        super().__init__(layer)
        self.layer = layer

    def _describe(self) -> str:
        return f"{self.layer}: the peer had not announced the end"


class ReservationRefused(RemoteError, ConnectError):
    """
    A relay does not reserve a place for us.

    @ivar status: the code of its answer.
    """

    def __init__(self, status: int, name: str) -> None:
        """
        @param name: the status in words.
        """
        super().__init__(None, name)
        self.status = status
        self.name = name

    def _describe(self) -> str:
        return f"the relay refuses a reservation: {self.name}"


class CircuitRefused(RemoteError, ConnectError):
    """
    A relay does not connect us with a peer.

    @ivar status: the code of its answer.
    """

    def __init__(self, status: int, name: str) -> None:
        """
        @param name: the status in words.
        """
        super().__init__(None, name)
        self.status = status
        self.name = name

    def _describe(self) -> str:
        return f"the relay refuses to connect: {self.name}"


class RendezvousRefused(RemoteError):
    """
    A rendezvous point refuses a registration, or a search.

    @ivar point: the point.
    @ivar status: the code of its answer.
    @ivar name: the status in words.
    """

    def __init__(self, point: str, status: int, name: str) -> None:
        super().__init__(point, status, name)
        self.point = point
        self.status = status
        self.name = name

    def _describe(self) -> str:
        return f"the rendezvous point {self.point} refuses: {self.name}"


class CircuitLimit(RemoteError, ConnectionLost):
    """
    A relayed connection was ended when it had used up the time or the bytes that the
    relay allows.  Its data may be incomplete.  A relay of a peer's own, or a direct
    connection, has no such limits.

    @ivar seconds: the age of the connection.
    @ivar sent: the number of bytes that our side has sent.
    @ivar received: the number of bytes that our side has received.
    """

    def __init__(self, seconds: float, sent: int, received: int) -> None:
        super().__init__(seconds, sent, received)
        self.seconds = seconds
        self.sent = sent
        self.received = received

    def _describe(self) -> str:
        return (
            "the relayed connection has reached the limit of its relay after"
            f" {self.seconds:.0f} s, with {self.sent} bytes sent and"
            f" {self.received} received: connect directly"
        )


class NoGateway(RemoteError, ConnectError):
    """
    There is no gateway that can be asked to map a port: this host has none, or it
    answers neither PCP nor NAT-PMP nor UPnP.

    @ivar message: the reason.
    """

    def __init__(self, message: str) -> None:
        super().__init__(None, message)
        self.message = message

    def _describe(self) -> str:
        return f"no port can be mapped: {self.message}"


class NoCertificate(RemoteError):
    """
    AutoTLS has no certificate: the authority or the broker does not answer, refuses, or
    answers with nonsense.

    @ivar message: the reason.
    @ivar pause: the seconds for which the authority wants to be left alone; None if it
        does not say.
    """

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(None, message)
        self.message = message
        self.pause = pause

    def _describe(self) -> str:
        return f"no certificate: {self.message}"


class MappingRefused(RemoteError, ConnectError):
    """
    The gateway does not map a port.

    @ivar way: the protocol by which it was asked, such as C{"PCP"}.
    @ivar code: the code of its answer.
    """

    def __init__(self, way: str, code: int, name: str) -> None:
        """
        @param name: the code in words.
        """
        super().__init__(None, name)
        self.way = way
        self.code = code
        self.name = name

    def _describe(self) -> str:
        return f"the gateway maps no port: {self.name} ({self.way}, {self.code})"


class DoubleNAT(RemoteError, ConnectError):
    """
    The gateway has no public address itself: another router, often of the provider,
    stands between it and the internet.  A port of the gateway leads nowhere then.

    @ivar address: the address of the gateway at its far side; None if it has stated
        none.
    """

    def __init__(self, address: object = None) -> None:
        super().__init__(None, str(address))
        self.address = None if address is None else str(address)

    def _describe(self) -> str:
        stated = "no public address" if self.address is None else self.address
        return (
            f"two layers of NAT: the gateway itself has {stated}, so a port of it"
            " cannot be reached; use a relay"
        )


def departed(reason: Failure) -> bool:
    """
    Decide whether a transport has ended because one side has closed it, or is gone, and
    not because the peer has violated a protocol.

    @param reason: the reason for which the transport has ended.
    """
    closed = reason.check(ConnectionClosed) is not None
    return closed and not reason.check(ProtocolViolation)
