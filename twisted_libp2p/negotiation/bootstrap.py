# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The bootstrap negotiation of the I{Connection Lifecycle} draft, without I/O.

The initiator sends a protocol id and a NUL; the receiver repeats both, or
closes.  The following bytes belong to the protocol.

Deployed peers know only multistream-select, which always begins with the byte
0x13, while an id begins with a slash: so one listener serves both dialects by
the first byte, and an initiator that receives 0x13 knows that it met such a peer.
L{Listener} and L{Dialer} are the machines for a fresh transport; they hand over to
L{multistream} if that was agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted_libp2p.errors import LegacyPeer, NegotiationFailed, ProtocolViolation
from twisted_libp2p.negotiation import multistream

__all__ = ["LAYER", "MAX_ID", "Dialer", "Initiator", "Listener", "Receiver"]

LAYER = "bootstrap"

#: The maximum size of an id, in bytes without its NUL.
MAX_ID = 1024

_MULTISTREAM_FIRST = multistream.HEADER[:1]


class Initiator:
    """
    Sends one id and waits for its echo.

    @ivar agreed: the id, once it was echoed.
    @ivar trailing: the bytes that came after the echo.
    @cvar refusal: None, since a failed bootstrap always raises its reason.
    """

    refusal = None

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._expected = protocol.encode("utf-8") + b"\0"
        self._received = 0
        self.agreed: str | None = None
        self.trailing = b""

    def start(self) -> bytes:
        """
        Return the id and its NUL.
        """
        return self._expected

    def receive(self, data: bytes) -> bytes:
        """
        Take in the echo.

        @return: no bytes: an initiator sends nothing more.
        @raise LegacyPeer: the answer is a multistream-select header.
        @raise ProtocolViolation: the answer is not the echo.
        """
        if not self._received and data[:1] == _MULTISTREAM_FIRST:
            raise LegacyPeer
        wanted = self._expected[self._received :]
        part = data[: len(wanted)]
        if not wanted.startswith(part):
            raise ProtocolViolation(LAYER, f"no echo of {self._protocol}")
        self._received += len(part)
        if self._received == len(self._expected):
            self.agreed = self._protocol
            self.trailing = data[len(part) :]
        return b""


class Receiver:
    """
    Waits for an id, and echoes it if we speak that protocol.

    @ivar agreed: the id, once it was accepted.
    @ivar trailing: the bytes that came after the NUL.
    @cvar farewell: no bytes, since a refused id is not answered.
    @cvar refusal: None, since a failed bootstrap always raises its reason.
    """

    farewell = b""
    refusal = None

    def __init__(self, accepts: Callable[[str], object]) -> None:
        """
        @param accepts: decides whether we speak a protocol, by truth value.
        """
        self._accepts = accepts
        self._buffer = b""
        self.agreed: str | None = None
        self.trailing = b""

    def start(self) -> bytes:
        """
        Return no bytes: the receiver waits.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in the id.

        @return: the echo, if the id is complete and we speak the protocol.
        @raise NegotiationFailed: we do not; the only reply is the end of the
            connection.
        @raise ProtocolViolation: the bytes are not an id.
        """
        self._buffer += data
        identifier, nul, rest = self._buffer.partition(b"\0")
        if len(identifier) > MAX_ID:
            raise ProtocolViolation(LAYER, "the protocol id is too long")
        if not nul:
            return b""
        self._buffer = b""
        try:
            protocol = identifier.decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolViolation(LAYER, "the protocol id is not UTF-8") from None
        if not protocol.startswith("/") or "\n" in protocol:
            raise ProtocolViolation(LAYER, "no protocol id")
        if not self._accepts(protocol):
            raise NegotiationFailed(f"the peer asked for {protocol[:80]!r}")
        self.agreed = protocol
        self.trailing = rest
        return identifier + b"\0"


class Listener:
    """
    The machine of a listener on a fresh transport: the first byte decides the dialect.

    @ivar agreed: the protocol that was agreed in either dialect; never multistream
        itself.
    @ivar trailing: the bytes that came after the agreement.
    @ivar farewell: the bytes that are still to be sent after a failure.
    """

    def __init__(
        self, accepts: Callable[[str], object], listing: Callable[[], Iterable[str]]
    ) -> None:
        """
        @param accepts: decides whether we speak a protocol, by truth value.
        @param listing: returns the protocols to name to a peer that asks.
        """
        self._accepts = accepts
        self._listing = listing
        self._machine: Receiver | multistream.Responder | None = None
        self.agreed: str | None = None
        self.trailing = b""
        self.farewell = b""

    @property
    def refusal(self) -> Exception | None:
        """
        The reason of the failure if nothing more comes.
        """
        return self._machine.refusal if self._machine is not None else None

    def start(self) -> bytes:
        """
        Return no bytes: a header before the first byte of the peer would break the
        bootstrap of the draft.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in received bytes.

        @return: the bytes to send in answer.
        @raise NegotiationFailed: no protocol was agreed.
        @raise ProtocolViolation: the peer speaks neither dialect.
        """
        machine = self._machine
        if machine is None:
            if data[:1] == _MULTISTREAM_FIRST:
                machine = multistream.Responder(self._accepts, self._listing)
            elif data[:1] == b"/":
                machine = Receiver(
                    lambda name: name == multistream.PROTOCOL_ID or self._accepts(name)
                )
            elif data:
                raise ProtocolViolation(LAYER, "the peer does not speak libp2p")
            else:
                return b""
            self._machine = machine
        try:
            out = machine.receive(data)
        except NegotiationFailed:
            self.farewell += machine.farewell
            raise
        if machine.agreed == multistream.PROTOCOL_ID:
            self._machine = multistream.Responder(
                self._accepts, self._listing, header=False
            )
            self.farewell = out
            out += self.receive(machine.trailing)
            self.farewell = b""
            return out
        self.agreed = machine.agreed
        self.trailing = machine.trailing
        return out


class Dialer:
    """
    The machine of a dialer that speaks the draft's dialect on a fresh transport: a
    bootstrap to multistream-select, and the proposals in that; or, if there is only one
    proposal, a bootstrap to it, which saves a round trip.

    @ivar agreed: the agreed protocol; never multistream itself.
    @ivar trailing: the bytes that came after the agreement.
    @ivar answered: whether the peer has sent any bytes.
    @cvar farewell: no bytes, since there is nothing to send after a failure.
    """

    farewell = b""

    def __init__(self, protocols: Sequence[str]) -> None:
        """
        @param protocols: the proposals, in order of preference.
        """
        self._protocols = tuple(protocols)
        self._machine: Initiator | multistream.Initiator = Initiator(
            protocols[0] if len(protocols) == 1 else multistream.PROTOCOL_ID
        )
        self.agreed: str | None = None
        self.trailing = b""
        self.answered = False

    @property
    def refusal(self) -> Exception | None:
        """
        The reason of the failure if nothing more comes.
        """
        return self._machine.refusal

    def start(self) -> bytes:
        """
        Return the first flight.
        """
        return self._machine.start()

    def receive(self, data: bytes) -> bytes:
        """
        Take in received bytes.

        @return: the bytes to send in answer.
        @raise LegacyPeer: the peer knows only multistream-select.
        @raise NegotiationFailed: no protocol was agreed.
        @raise ProtocolViolation: the peer speaks neither dialect.
        """
        machine = self._machine
        self.answered = True
        out = machine.receive(data)
        if machine.agreed == multistream.PROTOCOL_ID:
            following = multistream.Initiator(self._protocols, header=False, ask=True)
            self._machine = following
            return following.start() + self.receive(machine.trailing)
        self.agreed = machine.agreed
        self.trailing = machine.trailing
        return out
