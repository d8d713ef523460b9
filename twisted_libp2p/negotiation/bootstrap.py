# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The bootstrap negotiation of the I{Connection Lifecycle} draft, without I/O.

The initiator sends a protocol id and a NUL; the receiver repeats both, or
closes.  The bytes that follow belong to the protocol.

Deployed peers know only multistream-select, which always begins with the byte
0x13, while an id begins with a slash: so one listener serves both dialects by
the first byte, and an initiator that is answered with 0x13 knows that it met
such a peer.  L{Listener} and L{Dialer} here are what runs on a fresh
transport; they hand over to L{multistream} where that was agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted_libp2p.errors import LegacyPeer, NegotiationFailed, ProtocolViolation
from twisted_libp2p.negotiation import multistream

__all__ = ["LAYER", "MAX_ID", "Dialer", "Initiator", "Listener", "Receiver"]

LAYER = "bootstrap"

#: The most bytes of an id, NUL not included.
MAX_ID = 1024

_MULTISTREAM_FIRST = multistream.HEADER[:1]


class Initiator:
    """
    Sends one id and waits for its echo.

    @ivar agreed: the id, once it was echoed.
    @ivar trailing: the bytes that came behind the echo.
    @cvar refusal: a bootstrap that fails has failed for what is raised.
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
        @return: the id and its NUL.
        """
        return self._expected

    def receive(self, data: bytes) -> bytes:
        """
        @return: nothing; an initiator has no more to say.

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
    Waits for an id and echoes it if it is spoken.

    @ivar agreed: the id, once it was accepted.
    @ivar trailing: the bytes that came behind the NUL.
    @cvar farewell: an id that is not spoken is left without an answer.
    @cvar refusal: a bootstrap that fails has failed for what is raised.
    """

    farewell = b""
    refusal = None

    def __init__(self, accepts: Callable[[str], object]) -> None:
        """
        @param accepts: whether an id is spoken, by truth value.
        """
        self._accepts = accepts
        self._buffer = b""
        self.agreed: str | None = None
        self.trailing = b""

    def start(self) -> bytes:
        """
        @return: nothing; the receiver waits.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        @return: the echo, when the id is complete and spoken.

        @raise NegotiationFailed: the id is not spoken; there is no reply to
            that, only the end of the connection.
        @raise ProtocolViolation: what came is not an id.
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
    What a listener runs on a fresh transport: the first byte tells the
    dialect.

    @ivar agreed: what was agreed in either dialect; never multistream itself.
    @ivar trailing: the bytes that came behind the agreement.
    @ivar farewell: what is still to be sent when there is no agreement.
    """

    def __init__(
        self, accepts: Callable[[str], object], listing: Callable[[], Iterable[str]]
    ) -> None:
        """
        @param accepts: whether a protocol is spoken, by truth value.
        @param listing: the protocols to name to a peer that asks.
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
        What the negotiation has failed for if nothing more comes.
        """
        return self._machine.refusal if self._machine is not None else None

    def start(self) -> bytes:
        """
        @return: nothing: a header that is sent before the first byte of the
            peer would break the bootstrap of the draft.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        @return: what is to be sent in answer.

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
    What a dialer that speaks the draft's dialect runs on a fresh transport: a
    bootstrap to multistream-select, and the proposals in that; or, if there
    is one protocol only to propose, a bootstrap to that one, which saves a
    round trip.

    @ivar agreed: what was agreed; never multistream itself.
    @ivar trailing: the bytes that came behind the agreement.
    @ivar answered: whether the peer has said anything at all.
    @cvar farewell: nothing is left to say when there is no agreement.
    """

    farewell = b""

    def __init__(self, protocols: Sequence[str]) -> None:
        """
        @param protocols: what to propose, in the order of preference.
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
        What the negotiation has failed for if nothing more comes.
        """
        return self._machine.refusal

    def start(self) -> bytes:
        """
        @return: the first flight.
        """
        return self._machine.start()

    def receive(self, data: bytes) -> bytes:
        """
        @return: what is to be sent in answer.

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
