# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications that do anything when they are called, and check that they may be called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPullProducer,
    IPushProducer,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.speaker import content
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.interfaces import IGater

if TYPE_CHECKING:
    from tests.unruly.world import World

__all__ = [
    "Puller",
    "Pusher",
    "Raised",
    "Side",
    "Unruly",
    "UnrulyFactory",
    "UnrulyGater",
    "UnrulyHalves",
]


class Raised(Exception):
    """
    An exception of the application.
    """


class Side:
    """
    One end of one stream, whoever its protocol is.

    @ivar user: the protocol of the application, which may replace it.
    @ivar far: the other end; None if no protocol was ever built there.
    @ivar written: number of bytes that the stream took from the application.
    @ivar received: number of bytes that it gave to the application.
    @ivar closed: whether the application, or its lack of halves, closed the stream.
    @ivar ended: whether the application ended its half.
    @ivar broken: whether the application aborted, raised, or cancelled.
    @ivar reason: why the stream was lost.
    """

    far: Side | None = None
    user: Unruly | None = None

    def __init__(self, world: World, stream: Any, seed: int) -> None:
        self.world = world
        self.stream = stream
        self.seed = seed
        self.written = self.received = 0
        self.closed = self.ended = self.broken = self.eof = False
        self.paused = False
        self.producer: Any = None
        self.reason: Failure | None = None

    def __repr__(self) -> str:
        return f"<side {self.seed} {self.stream}>"

    @property
    def takes(self) -> bool:
        """
        Whether the stream takes what is written now, as far as is known: one that is
        broken may still take something before it ends.
        """
        if self.reason is not None:
            return False
        closing = self.closed or self.ended or self.stream.disconnecting
        return not closing or self.producer is not None

    def take(self, size: int) -> bytes:
        """
        Return the next bytes to write.
        """
        data = content(self.seed, self.written, size)
        if self.takes:
            self.written += size
        return data


class Unruly(Protocol):
    """
    A protocol that does anything in each of its callbacks, and knows no halves.
    """

    transport: Any
    halves = False
    factory: UnrulyFactory | None = None

    def __init__(self, world: World) -> None:
        self.world = world
        self.made = self.lost = 0
        self.replaced = False
        self.side: Side | None = None
        world.protocols.append(self)

    def called(self, where: str) -> Side:
        """
        Check that a callback may come now.
        """
        if self.made != 1 or self.lost or self.replaced:
            self.world.note(
                f"{where} came to {self} (made {self.made}, lost {self.lost},"
                f" replaced {self.replaced})"
            )
        assert self.side is not None
        return self.side

    def act(self, where: str, side: Side) -> None:
        """
        Do something, and note that an exception ends the stream.
        """
        try:
            self.world.act(where, side)
        except Raised:
            side.broken = True
            raise

    def connectionMade(self) -> None:
        self.made += 1
        self.side = self.world.side(self.transport)
        self.side.user = self
        if self.factory is not None and self.factory.cancelled:
            self.side.broken = True
        self.act("connectionMade", self.called("connectionMade"))

    def dataReceived(self, data: bytes) -> None:
        """
        Check that these are the next bytes.
        """
        side = self.called("dataReceived")
        far = side.far
        if far is None:
            self.world.note(f"{side} received, but nobody wrote")
        elif data != content(far.seed, side.received, len(data)):
            self.world.note(f"{side} received other bytes at {side.received}")
        elif side.received + len(data) > far.written:
            self.world.note(f"{side} received more than was written")
        if side.closed or side.broken or side.eof:
            self.world.note(f"{side} received after its end")
        if side.paused and not side.closed:
            self.world.note(f"{side} received while it was paused")
        side.received += len(data)
        self.act("dataReceived", side)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Check that the end is the only one, and what it promises.
        """
        side = self.called("connectionLost")
        self.lost += 1
        if side.reason is not None:
            self.world.note(f"{side} was lost twice")
        side.reason = reason
        good = reason.check(ConnectionDone) is not None
        if good and not side.closed and not side.broken:
            self.world.whole(side, "was lost in good order")
        far = side.far
        if (
            reason.check(StreamReset)
            and far is not None
            and not (far.broken or far.closed or side.broken)
            and (far.reason is None or far.reason.check(ConnectionDone))
        ):
            self.world.note(f"{side} was reset, but nobody has reset it")
        self.world.act("connectionLost", side)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.side}>"


@implementer(IHalfCloseableProtocol)
class UnrulyHalves(Unruly):
    """
    An unruly protocol that goes on when the peer's half has ended.
    """

    halves = True

    def readConnectionLost(self) -> None:
        """
        Check that everything came.
        """
        side = self.called("readConnectionLost")
        if side.eof:
            self.world.note(f"{side} was told of the end twice")
        side.eof = True
        if side.closed:
            self.world.note(f"{side} was told of the end after it had closed")
        self.world.whole(side, "was told of the end")
        self.act("readConnectionLost", side)

    def writeConnectionLost(self) -> None:
        side = self.called("writeConnectionLost")
        if not (side.ended or side.closed):
            self.world.note(f"{side} has ended without wanting to")
        self.act("writeConnectionLost", side)


class _Producer:
    """
    A producer that does anything when it is called.
    """

    def __init__(self, side: Side, left: int) -> None:
        self.side = side
        self.left = left
        self.stopped = False

    def stopProducing(self) -> None:
        if self.stopped:
            self.side.world.note(f"a producer of {self.side} was stopped twice")
        self.stopped = True
        if self.side.producer is self:
            self.side.producer = None
        self.side.world.act("stopProducing", self.side)

    def finish(self) -> None:
        """
        Unregister, if this is the registered producer.
        """
        if self.side.producer is self:
            self.side.producer = None
            self.side.stream.unregisterProducer()


@implementer(IPushProducer)
class Pusher(_Producer):
    """
    Writes when it is resumed, and does anything when it is paused.
    """

    def pauseProducing(self) -> None:
        self.side.world.act("pauseProducing", self.side)

    def resumeProducing(self) -> None:
        side = self.side
        self.left -= 1
        if self.left < 0:
            self.finish()
            return
        side.world.act("resumeProducing", side)
        if side.producer is self:
            side.stream.write(side.take(30_000))


@implementer(IPullProducer)
class Puller(_Producer):
    """
    Writes whenever it is asked, and does anything meanwhile.
    """

    def resumeProducing(self) -> None:
        side = self.side
        self.left -= 1
        if self.left < 0:
            self.finish()
            return
        side.world.act("resumeProducing", side)
        if side.producer is self:
            side.stream.write(side.take(5_000))


class UnrulyFactory(Factory):
    """
    Builds unruly protocols, and does anything meanwhile.
    """

    noisy = False
    built: Unruly | None = None
    cancelled = False

    def __init__(self, world: World) -> None:
        self.world = world

    def buildProtocol(self, addr: Any) -> Any:
        """
        Build a protocol, mostly.
        """
        self.world.act("buildProtocol")
        chance = self.world.random
        if chance.random() < 0.03:
            return None
        self.built = self.world.build(chance.random() < 0.6)
        self.built.factory = self
        return self.built


@implementer(IGater)
class UnrulyGater:
    """
    A gater that lets everybody in, and does anything when it is asked.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def beforeDial(self, peer: Any, address: Any) -> str | None:
        self.world.act("beforeDial")
        return None

    def accepted(self, address: Any) -> str | None:
        self.world.act("accepted")
        return None

    def secured(self, peer: Any, address: Any, direction: str) -> str | None:
        self.world.act("secured")
        return None

    def upgraded(self, connection: Any) -> str | None:
        self.world.act("upgraded")
        return None
