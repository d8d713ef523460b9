# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer, as the service sees it: its two streams, and everything that waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import UnsupportedProtocol
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost
from twisted_libp2p.pubsub.lanes import Lanes
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.streams import InboundStream, OutboundStream

if TYPE_CHECKING:
    from random import Random

__all__ = ["MAX_REOPENINGS", "REOPENING_TIME", "STUCK_TIME", "Link", "LinkOwner"]

#: How often our stream is opened again within so many seconds, as in
#: go-libp2p-pubsub.
MAX_REOPENINGS: Final = 4
REOPENING_TIME: Final = 600.0

#: Seconds after which our stream is reset if the peer reads nothing.
STUCK_TIME: Final = 30.0

#: Seconds before the second attempt; each further one waits twice as long.
_FIRST_WAIT: Final = 0.1


class LinkOwner(Protocol):
    """
    The service, as its links use it.
    """

    protocols: tuple[str, ...]
    maximum: int

    def linkOpened(self, link: Link, protocolID: str) -> None:
        """
        Send the first RPC: our stream is open.
        """

    def linkClosed(self, link: Link) -> None:
        """
        Send nothing: our stream has ended.
        """

    def linkSilenced(self, link: Link) -> None:
        """
        Forget what the peer has said: its stream has ended.
        """

    def linkReceived(self, link: Link, rpc: RPC) -> None:
        """
        Handle an RPC of the peer.
        """

    def linkViolated(self, link: Link, reason: str) -> None:
        """
        Blame the peer, which has broken the protocol.
        """

    def linkDrained(self, link: Link) -> None:
        """
        Let publishers go on, if the peer was too slow for them.
        """

    def linkHeld(self, link: Link, on: bool) -> None:
        """
        Note whether we read from the peer.
        """


class Link:
    """
    The streams to and from one peer.

    @ivar peer: the peer.
    @ivar key: its id in bytes.
    @ivar lanes: what waits for it.
    @ivar maximum: the size of its largest RPC in bytes.
    """

    def __init__(
        self, owner: LinkOwner, host: IHost, peer: PeerID, random: Random
    ) -> None:
        self._owner = owner
        self._clock: IReactorTime = host.clock
        self._host = host
        self._random = random
        self.peer = peer
        self.key = peer.toBytes()
        self.now = host.clock.seconds
        self.lanes = Lanes(self.now)
        self.maximum = owner.maximum
        self._outbound: OutboundStream | None = None
        self._inbound: InboundStream | None = None
        self._proposed: tuple[str, ...] = ()
        self._opening = False
        self._attempts: list[float] = []
        self._retry: IDelayedCall | None = None
        self._holds: set[object] = set()
        self._stopped = False

    # Our stream

    def open(self) -> None:
        """
        Open our stream, unless that is done, or has failed too often.
        """
        if self._stopped or self._opening or self._outbound or self._retry is not None:
            return
        now = self.now()
        self._attempts = [at for at in self._attempts if at > now - REOPENING_TIME]
        count = len(self._attempts)
        if count > MAX_REOPENINGS:
            return
        self._attempts.append(now)
        if count > 1:
            wait = _FIRST_WAIT * 2 ** (count - 2) + 0.1 * self._random.random()
            self._retry = self._clock.callLater(wait, self._openLater)
        else:
            self._open(self._protocols())

    def _openLater(self) -> None:
        self._retry = None
        self._open(self._protocols())

    def _protocols(self) -> tuple[str, ...]:
        """
        Return the protocol to propose: one, if the peer has said which ones it serves.
        """
        known = set(self._host.peerstore.protocols(self.peer))
        common = [each for each in self._owner.protocols if each in known]
        return (common[0],) if common else self._owner.protocols

    def _open(self, protocols: tuple[str, ...]) -> None:
        for connection in self._host.connections.to(self.peer):
            if not connection.limited and connection.connected:
                self._opening = True
                self._proposed = protocols
                factory = StreamFactory(lambda: OutboundStream(self))
                connection.openStream(protocols, factory).addCallbacks(
                    self._hasOpened, self._failed, errbackArgs=(protocols,)
                )
                return

    def _hasOpened(self, _: object) -> None:
        self._opening = False

    def _failed(self, reason: Failure, protocols: tuple[str, ...]) -> None:
        self._opening = False
        if reason.check(UnsupportedProtocol):
            # The peer serves another version than it did; or none, which no further
            # attempt changes.
            if len(protocols) < len(self._owner.protocols) and not self._stopped:
                self._open(self._owner.protocols)
        else:
            self.open()

    def opened(self, stream: OutboundStream) -> None:
        """
        Begin to write on our stream, unless the link was stopped in the meantime.
        """
        if self._stopped:
            stream.end()
            return
        self._outbound = stream
        self.lanes.account = stream
        protocolID = stream.transport.protocolID or self._proposed[0]
        self._owner.linkOpened(self, protocolID)
        stream.pump()

    def closed(self, stream: OutboundStream) -> None:
        """
        Note the end of our stream, and open another one if the peer is still there.
        """
        if self._outbound is stream:
            self._outbound = None
            # First of all, nothing further is queued for it.
            self._owner.linkClosed(self)
            self.lanes.clear()
            self._owner.linkDrained(self)
            if not self._opening:
                self.open()

    def pump(self) -> None:
        """
        Write whatever waits.
        """
        if self._outbound is not None and self._outbound.stuckSince is None:
            self._outbound.pump()

    def drained(self) -> None:
        """
        Let publishers go on.
        """
        self._owner.linkDrained(self)

    def check(self) -> int:
        """
        Reset our stream if the peer has read nothing for a long time, and drop stale
        messages.

        @return: how many messages were dropped since the last call.
        """
        stream = self._outbound
        if (
            stream is not None
            and stream.stuckSince is not None
            and self.now() - stream.stuckSince > STUCK_TIME
        ):
            stream.transport.abortConnection()
        dropped = self.lanes.expire()
        if dropped:
            self._owner.linkDrained(self)
        return dropped

    # The stream of the peer

    def arrived(self, stream: InboundStream) -> None:
        """
        Read from a stream of the peer; the newest one counts.
        """
        old, self._inbound = self._inbound, stream
        if old is not None:
            old.end()
        if self._holds:
            stream.pause()
        self.open()

    def departed(self, stream: InboundStream) -> None:
        """
        Note the end of a stream of the peer.
        """
        if self._inbound is stream:
            self._inbound = None
            self._owner.linkSilenced(self)

    def charge(self, size: int) -> None:
        """
        Charge the memory of the facts about the peer to its limits, while it has a
        stream.

        @param size: the bytes of all of them.
        """
        if self._inbound is not None:
            self._inbound.charge(size)

    def received(self, rpc: RPC) -> None:
        """
        Handle an RPC.
        """
        self._owner.linkReceived(self, rpc)

    @property
    def reading(self) -> bool:
        """
        Whether RPCs of the peer wait for the next turn of the reactor.
        """
        return self._inbound is not None and self._inbound.waiting

    def later(self, call: Callable[[], None]) -> IDelayedCall:
        """
        Call something in the next turn of the reactor.
        """
        return self._clock.callLater(0, call)

    def violated(self, reason: str) -> None:
        """
        Report that the peer has broken the protocol.
        """
        self._owner.linkViolated(self, reason)

    def hold(self, holder: object) -> None:
        """
        Read nothing until L{release}.
        """
        if not self._holds:
            self._owner.linkHeld(self, True)
            if self._inbound is not None:
                self._inbound.pause()
        self._holds.add(holder)

    def release(self, holder: object) -> None:
        """
        End L{hold}.
        """
        if holder in self._holds:
            self._holds.discard(holder)
            if not self._holds:
                self._owner.linkHeld(self, False)
                if self._inbound is not None:
                    self._inbound.resume()

    @property
    def connected(self) -> bool:
        """
        Whether it has a stream in either direction.
        """
        return self._outbound is not None or self._inbound is not None

    def explain(self) -> str:
        """
        Return the state of the streams in words.
        """
        ours: Any = "no stream of ours"
        if self._outbound is not None:
            ours = f"our stream speaks {self._outbound.transport.protocolID}"
            if self._outbound.stuckSince is not None:
                ours += f", unread for {self.now() - self._outbound.stuckSince:.1f} s"
        theirs = "no stream of the peer" if self._inbound is None else "the peer writes"
        held = ", but we do not read" if self._holds else ""
        return f"{ours}; {theirs}{held}; {self.lanes.size} bytes wait"

    def stop(self) -> None:
        """
        End both streams; everything that waits is written first.
        """
        self._stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        outbound, self._outbound = self._outbound, None
        inbound, self._inbound = self._inbound, None
        if outbound is not None:
            outbound.pump()
            outbound.end()
        if inbound is not None:
            inbound.end()
        self.lanes.clear()
