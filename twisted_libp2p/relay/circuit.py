# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One end of a circuit: a stream of a connection to a relay, as the raw transport of a
connection to the peer beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import CircuitLimit, ErrorCode, StreamReset
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IAllowance, ILimitedAddress
from twisted_libp2p.pacing import Deadline, Layer
from twisted_libp2p.relay.messages import Limit

__all__ = ["CIRCUIT", "Circuit", "CircuitAddress", "throughRelay"]

#: The last component of the addresses of circuits.
CIRCUIT: Final = Multiaddr("/p2p-circuit")

#: How near the limits of its relay a circuit has to be when it ends, for these to be
#: the reason: a relay cuts after a whole read, and its clock is not ours.
NEAR_BYTES: Final = 32 * 1024
NEAR_SECONDS: Final = 2.0


#: Seconds after which a circuit that has sent too much is ended, if its relay has not
#: done that.
GRACE: Final = 5.0


def throughRelay(relay: PeerID, address: Multiaddr | None) -> Multiaddr:
    """
    Return the address that leads through a relay.

    @param address: the address of the relay; None if it is not known.
    """
    if address is None:
        return Multiaddr(f"/p2p/{relay}").encapsulate(CIRCUIT)
    return address.withPeer(relay).encapsulate(CIRCUIT)


@implementer(IAddress, ILimitedAddress)
@dataclass(frozen=True, slots=True)
class CircuitAddress:
    """
    One end of a circuit.

    @ivar relay: the relay.
    @ivar multiaddr: the address that leads through it.
    @ivar peer: the peer at the other end, as the relay says; None if our side has
        dialed.
    @ivar allowance: what the relay still allows; None if it allows everything.
    """

    relay: PeerID
    multiaddr: Multiaddr
    peer: PeerID | None = None
    allowance: IAllowance | None = None

    def __str__(self) -> str:
        end = "" if self.peer is None else f"/p2p/{self.peer}"
        return f"{self.multiaddr}{end}"


@implementer(IAllowance)
class Allowance:
    """
    What a relay allows for one circuit, and what was used of it.

    @ivar clock: the time.
    @ivar sent: the number of bytes that our side has sent.
    @ivar received: the number of bytes that our side has received.
    """

    __slots__ = ("_limit", "_since", "clock", "received", "sent")

    def __init__(self, clock: IReactorTime, limit: Limit) -> None:
        """
        Begin now.
        """
        self.clock = clock
        self._limit = limit
        self._since = clock.seconds()
        self.sent = 0
        self.received = 0

    @property
    def age(self) -> float:
        """
        The seconds since its beginning.
        """
        return max(0.0, self.clock.seconds() - self._since)

    @property
    def seconds(self) -> float | None:
        """
        The seconds that are left.
        """
        duration = self._limit.duration
        return None if duration is None else max(0.0, duration - self.age)

    @property
    def toSend(self) -> int | None:
        """
        The bytes that our side may still send.
        """
        data = self._limit.data
        return None if data is None else max(0, data - self.sent)

    @property
    def toReceive(self) -> int | None:
        """
        The bytes that the peer may still send.
        """
        data = self._limit.data
        return None if data is None else max(0, data - self.received)

    @property
    def overdrawn(self) -> bool:
        """
        Whether our side has sent more than the relay allows.
        """
        return self._limit.data is not None and self.sent > self._limit.data

    @property
    def nearlyUsed(self) -> bool:
        """
        Whether the limits may be the reason of an end.  Some relays count the bytes of
        both directions together (rust-libp2p 0.57, js-libp2p 3.3).
        """
        data, seconds = self._limit.data, self.seconds
        return (data is not None and self.sent + self.received + NEAR_BYTES > data) or (
            seconds is not None and seconds < NEAR_SECONDS
        )


def _isLimit(error: object) -> bool:
    """
    Check whether the relay has named its limits as the reason of a reset.
    """
    return isinstance(error, StreamReset) and error.code == ErrorCode.LIMIT_EXCEEDED


class Circuit(Layer):
    """
    Carries the layers of a connection over a stream to a relay, and counts its bytes.

    @ivar lost: called when the circuit has ended.
    """

    lost: Callable[[], object] | None = None

    def __init__(
        self,
        factory: IProtocolFactory,
        local: CircuitAddress,
        remote: CircuitAddress,
        allowance: Allowance | None,
    ) -> None:
        """
        @param factory: builds the protocol that the circuit carries.
        @param allowance: what the relay allows; None if it allows everything.
        """
        super().__init__(factory, factory.buildProtocol(remote))
        self._local = local
        self._remote = remote
        self._allowance = allowance
        self._overdrawn: Deadline | None = None
        self._isOver = False

    def dataReceived(self, data: bytes) -> None:
        """
        Count received bytes.
        """
        if self._allowance is not None:
            self._allowance.received += len(data)
        if self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(data)

    def write(self, data: bytes) -> None:
        """
        Count sent bytes.
        """
        allowance = self._allowance
        if allowance is not None:
            allowance.sent += len(data)
            if allowance.overdrawn and self._overdrawn is None:
                self._overdrawn = Deadline(allowance.clock, GRACE, self._giveUp)
        self.below.write(data)

    def _giveUp(self) -> None:
        """
        End a circuit whose relay takes no more bytes, and does not say so, as
        go-libp2p 0.48.
        """
        self._isOver = True
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Name the limits of the relay as the reason, if they may be it.
        """
        allowance = self._allowance
        if self._overdrawn is not None and self._overdrawn.active():
            self._overdrawn.cancel()
        if self.lost is not None:
            self.lost()
        ended = reason.check(StreamReset, ConnectionDone)
        if allowance is not None and (
            self._isOver or (ended and (allowance.nearlyUsed or _isLimit(reason.value)))
        ):
            reason = Failure(
                CircuitLimit(allowance.age, allowance.sent, allowance.received)
            )
        super().connectionLost(reason)

    def getPeer(self) -> CircuitAddress:
        """
        Return the address of the peer.
        """
        return self._remote

    def getHost(self) -> CircuitAddress:
        """
        Return our own address.
        """
        return self._local
