# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two nodes, the actions of their applications, and what has to hold in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from tests.unruly.applications import (
    Puller,
    Pusher,
    Raised,
    Side,
    Unruly,
    UnrulyFactory,
    UnrulyGater,
    UnrulyHalves,
)
from tests.unruly.moods import GENTLE, WILD
from tests.unruly.witness import Witness
from twisted_libp2p.identity import Identity, PrivateKey
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.node import Node
from twisted_libp2p.testing import MemoryNodes

__all__ = ["World"]

#: Actions of one run, and steps of the world around them.
ACTIONS = 100
STEPS = 40

#: Calls of the clock in one run that are too many: something spins.
SPIN = 50_000

#: Protocols that both nodes serve, one that they serve at times, and one that neither
#: serves.
SERVED = ("/unruly/1.0.0", "/unruly/2.0.0")
AT_TIMES = "/unruly/3.0.0"
NONE = "/unruly/4.0.0"

#: Protocols with which streams are opened.
PROPOSALS = (
    SERVED[0],
    SERVED[0],
    SERVED[0],
    SERVED,
    (NONE, SERVED[1]),
    AT_TIMES,
    NONE,
    (AT_TIMES, NONE),
)


class Spinning(BaseException):
    """
    The clock is called without end.
    """


@lru_cache(2)
def _identity(number: int) -> Identity:
    """
    Return the identity of a node, which is always the same: the order of peer ids
    decides between duplicate connections.
    """
    secret = Ed25519PrivateKey.from_private_bytes(bytes((number,)) * 32)
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(PrivateKey.fromPEM(pem))


class World:
    """
    Two nodes, and all that happens between them.

    @ivar wrong: what was not as it should be.
    @ivar trace: the actions, for whoever has to find out why.
    """

    def __init__(
        self,
        seed: int,
        security: str,
        muxer: str,
        budget: int = ACTIONS,
        skip: Collection[int] = (),
    ) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.mood = self.random.choice((GENTLE, GENTLE, WILD))
        self.budget = budget
        self.skip = skip
        self.count = 0
        self.depth = 0
        self.acting = False
        self.wrong: list[str] = []
        self.trace: list[str] = []
        self.protocols: list[Unruly] = []
        self.sides: dict[Any, Side] = {}
        self.pairs: dict[Any, list[Side]] = {}
        self.waiting: dict[Deferred[Any], tuple[str, UnrulyFactory | None]] = {}
        self.registrations: list[Any] = []
        self.nodes = MemoryNodes(self.random.choice((0.0, 0.0, 0.003)))
        self._calls = 0
        self._callLater = self.nodes.clock.callLater
        setattr(self.nodes.clock, "callLater", self._counted)  # noqa: B010
        self.both = []
        self.witnesses = []
        for number in range(2):
            node = self.nodes.start(
                identity=_identity(number),
                security=[security],
                muxers=[muxer],
                gater=UnrulyGater(self),
            )
            self.witnesses.append(Witness(self, node))
            self.both.append(node)
            node.registry.register(SERVED, UnrulyFactory(self))
        self.addresses = [node.addresses[0] for node in self.both]
        self.acting = True

    def _counted(self, *arguments: Any, **named: Any) -> Any:
        self._calls += 1
        if self._calls > SPIN:
            raise Spinning
        return self._callLater(*arguments, **named)

    def note(self, text: str) -> None:
        """
        Take note of what is wrong.
        """
        self.wrong.append(f"after action {self.count}: {text}")

    # The streams

    def build(self, halves: bool) -> Unruly:
        """
        Make a protocol.
        """
        return (UnrulyHalves if halves else Unruly)(self)

    def side(self, stream: Any) -> Side:
        """
        Return the side of a stream; make it, and join it to the other one.
        """
        side = self.sides.get(stream)
        if side is None:
            side = self.sides[stream] = Side(self, stream, len(self.sides) + 1)
            connection = stream.connection
            near, far = connection.localAddress, connection.remoteAddress
            ours = connection.direction is Direction.OUTBOUND
            dialer = near if ours else far
            opened = connection.direction is stream.direction
            pair = self.pairs.setdefault((dialer, opened, stream.streamID), [])
            pair.append(side)
            if len(pair) == 2:
                pair[0].far, pair[1].far = pair[1], pair[0]
            elif len(pair) > 2:
                self.note(f"{side} has more than one other end")
        return side

    def whole(self, side: Side, what: str) -> None:
        """
        Check that all that was written at the other end has come.
        """
        far = side.far
        if far is None:
            self.note(f"{side} {what}, but there never was another end")
        elif side.received != far.written:
            self.note(f"{side} {what} at {side.received} of {far.written}")
        elif not (far.ended or far.stream.disconnecting):
            self.note(f"{side} {what}, but the other end has not ended")

    # Actions

    def act(self, where: str, side: Side | None = None) -> None:
        """
        Do some things.

        @raise Raised: the application has an error of its own.
        """
        self.depth += 1
        try:
            if self.depth < 6:
                for _ in range(self.random.choice((0, 0, 1, 1, 2))):
                    self.one(where, side)
        finally:
            self.depth -= 1

    def one(self, where: str, side: Side | None) -> None:
        """
        Do one thing.
        """
        if not self.acting or self.count >= self.budget:
            return
        number = self.count
        self.count += 1
        chance = Random(self.seed * 1009 + number)
        if side is None or chance.random() < 0.25:
            live = [each for each in self.sides.values() if each.reason is None]
            if live and chance.random() < 0.5:
                side = chance.choice(live)
        ofStreams, ofNodes = self.mood
        names = ofStreams if side is not None and chance.random() < 0.8 else ofNodes
        name = chance.choice(names)
        # Where nothing is, little can happen; where much is, the budget goes.
        alive = sum(each.reason is None for each in self.sides.values())
        if where == "outside" and not alive and chance.random() < 0.7:
            name = "openStream" if self._connections() else "connect"
        elif name == "openStream" and alive > 8:
            name = "write" if side is not None else "pingConnection"
        if number in self.skip:
            return
        self.trace.append(f"{number:3} {'  ' * self.depth}{where}: {name} {side or ''}")
        getattr(self, "_" + name)(side, chance)

    def guarded(self, call: Callable[[], Any]) -> Any:
        """
        Call what has to raise nothing, whoever it calls back.
        """
        try:
            return call()
        except Exception:
            self.note(f"raised: {Failure().getTraceback()}")
            return None

    def expect(
        self,
        what: str,
        made: Callable[[], Any],
        factory: UnrulyFactory | None = None,
    ) -> None:
        """
        Begin something that has to end.

        @param factory: what builds its protocol, if it has one.
        """
        begun = self.guarded(made)
        if begun is None:
            return
        waiting = ensureDeferred(begun)
        self.waiting[waiting] = what, factory

        def done(result: Any) -> None:
            self.waiting.pop(waiting, None)
            if isinstance(result, Failure) and result.check(Raised):
                # An application's error reaches whoever has asked for it.
                result = None
            self.act(f"the end of {what}")

        waiting.addBoth(done).addErrback(lambda reason: reason.trap(Raised))

    # Of streams

    def _write(self, side: Side, chance: Random) -> None:
        size = chance.choice((1, 10, 1000, 20_000, 70_000, 300_000))
        side.stream.write(side.take(size))

    def _writeSequence(self, side: Side, chance: Random) -> None:
        data = side.take(chance.choice((3, 5_000, 66_000)))
        third = len(data) // 3
        side.stream.writeSequence([data[:third], b"", data[third:]])

    def _loseConnection(self, side: Side, chance: Random) -> None:
        if side.reason is None and not side.broken:
            side.closed = True
        side.paused = False
        self.guarded(side.stream.loseConnection)

    def _loseWriteConnection(self, side: Side, chance: Random) -> None:
        side.ended = True
        self.guarded(side.stream.loseWriteConnection)

    def _abort(self, side: Side, chance: Random) -> None:
        side.broken = True
        self.guarded(side.stream.abortConnection)

    def _pause(self, side: Side, chance: Random) -> None:
        side.paused = True
        self.guarded(side.stream.pauseProducing)

    def _resume(self, side: Side, chance: Random) -> None:
        side.paused = False
        self.guarded(side.stream.resumeProducing)

    def _register(self, side: Side, chance: Random) -> None:
        kind: Any = chance.choice((Pusher, Puller))
        producer = kind(side, chance.randrange(8))
        if side.producer is not None:
            try:
                side.stream.registerProducer(producer, kind is Pusher)
            except RuntimeError:
                return
            self.note(f"{side} took a second producer")
            return
        side.producer = producer
        side.stream.registerProducer(producer, kind is Pusher)

    def _unregister(self, side: Side, chance: Random) -> None:
        side.producer = None
        self.guarded(side.stream.unregisterProducer)

    def _replace(self, side: Side, chance: Random) -> None:
        stream = side.stream
        old = side.user
        if old is None or side.reason is not None:
            return
        new = self.build(old.halves)
        stream.protocol = new
        old.replaced = True
        broken = side.broken
        try:
            new.makeConnection(stream)
        except Raised:
            # The caller hears of it, who need not be called by this stream.
            side.broken = broken
            raise

    def _raise(self, side: Side | None, chance: Random) -> None:
        raise Raised(f"action {self.count - 1}")

    # Of connections and nodes

    def _connections(self) -> list[Any]:
        return [each for node in self.both for each in node.connections]

    def _openStream(self, side: Side | None, chance: Random) -> None:
        connections = self._connections()
        if side is not None and chance.random() < 0.3:
            # It may have ended.
            connections = [side.stream.connection]
        if connections:
            connection = chance.choice(connections)
            protocols: Any = chance.choice(PROPOSALS)
            factory = UnrulyFactory(self)
            self.expect(
                f"openStream {self.count - 1}",
                lambda: connection.openStream(protocols, factory),
                factory,
            )

    def _closeConnection(self, side: Side | None, chance: Random) -> None:
        connections = self._connections()
        if connections:
            connection = chance.choice(connections)
            self.expect(f"close {self.count - 1}", connection.close)

    def _abortConnection(self, side: Side | None, chance: Random) -> None:
        connections = self._connections()
        if connections:
            connection = chance.choice(connections)
            self.guarded(lambda: connection.abort(Failure(Raised())))

    def _pingConnection(self, side: Side | None, chance: Random) -> None:
        connections = self._connections()
        if connections:
            connection = chance.choice(connections)
            self.expect(f"ping {self.count - 1}", connection.ping)

    def _whenClosed(self, side: Side | None, chance: Random) -> None:
        connections = self._connections()
        if connections:
            connection = chance.choice(connections)
            self.expect(f"whenClosed {self.count - 1}", connection.whenClosed)

    def _connect(self, side: Side | None, chance: Random) -> None:
        number = chance.randrange(2)
        target: Any = self.addresses[1 - number]
        if chance.random() < 0.3:
            target = chance.choice((target.peerID, target.withoutPeer()))
        node = self.both[number]
        self.expect(f"connect {self.count - 1}", lambda: node.connect(target))

    def _dialAnew(self, side: Side | None, chance: Random) -> None:
        """
        Make one more connection, past those that there are.
        """
        number = chance.randrange(2)
        target = self.addresses[1 - number]
        dialer = self.both[number]._dialer
        self.expect(
            f"dial {self.count - 1}",
            lambda: dialer.dial(target.peerID, [target.withoutPeer()]),
        )

    def _pingNode(self, side: Side | None, chance: Random) -> None:
        number = chance.randrange(2)
        self.expect(
            f"ping {self.count - 1}",
            lambda: self.both[number].ping(self.addresses[1 - number]),
        )

    def _identify(self, side: Side | None, chance: Random) -> None:
        number = chance.randrange(2)
        self.expect(
            f"identify {self.count - 1}",
            lambda: self.both[number].identify(self.addresses[1 - number]),
        )

    def _cancel(self, side: Side | None, chance: Random) -> None:
        if self.waiting:
            waiting = chance.choice(list(self.waiting))
            _, factory = self.waiting[waiting]
            if factory is not None:
                factory.cancelled = True
                if factory.built is not None and factory.built.side is not None:
                    factory.built.side.broken = True
            self.guarded(waiting.cancel)

    def _serve(self, side: Side | None, chance: Random) -> None:
        node = chance.choice(self.both)
        if self.registrations:
            self.guarded(self.registrations.pop().cancel)
        elif node.registry.lookup(AT_TIMES) is None:
            made = self.guarded(
                lambda: node.registry.register(AT_TIMES, UnrulyFactory(self))
            )
            if made is not None:
                self.registrations.append(made)

    def _protect(self, side: Side | None, chance: Random) -> None:
        number = chance.randrange(2)
        peer = self.both[1 - number].peerID
        manager = self.both[number].connections
        if chance.random() < 0.5:
            self.guarded(lambda: manager.protect(peer, "unruly", chance.random() < 0.3))
        else:
            self.guarded(lambda: manager.unprotect(peer, "unruly"))

    def _trim(self, side: Side | None, chance: Random) -> None:
        node = chance.choice(self.both)
        self.guarded(node.connections.trim)

    def _stop(self, side: Side | None, chance: Random) -> None:
        if chance.random() < 0.3:
            node = chance.choice(self.both)
            self.expect(f"stop {self.count - 1}", node.stopService)

    def _restart(self, side: Side | None, chance: Random) -> None:
        node = chance.choice(self.both)
        self.guarded(node.startService)

    # The run

    def run(self) -> list[str]:
        """
        Let everything happen, end it, and look at what is left.

        @return: what was wrong.
        """
        self.expect("first connect", lambda: self.both[0].connect(self.addresses[1]))
        self.nodes.advance(0.1)
        for _ in range(STEPS):
            self.step()
        self.calm()
        self.stop()
        return self.wrong

    def step(self) -> None:
        """
        Act from outside, and let time pass.
        """
        with suppress(Raised):
            self.act("outside")
        self.nodes.advance(self.random.choice((0, 0, 0.001, 0.003, 0.01, 0.1)))

    def calm(self) -> None:
        """
        Let the applications only read, and let everything arrive.
        """
        self.acting = False
        for side in list(self.sides.values()):
            if side.reason is None:
                producer = side.producer
                if producer is not None:
                    producer.finish()
                side.paused = False
                side.stream.resumeProducing()
        for _ in range(40):
            self.nodes.advance(0.01)
        for side in self.sides.values():
            far = side.far
            if (
                far is not None
                and side.reason is None
                and not (side.closed or side.broken or far.broken)
                and far.stream.connection.connected
                and side.stream.connection.connected
                and side.received != far.written
            ):
                self.note(f"{side} is stuck at {side.received} of {far.written}")
            if side.broken and side.reason is None:
                self.note(f"{side} was aborted, and nobody was told")
            if (
                side.closed
                and side.reason is None
                and (far is None or far.reason is not None)
            ):
                self.note(f"{side} was closed, and nobody was told")

    def stop(self) -> None:
        """
        Stop both nodes, and look for what they have left.
        """
        stopping = [each.stopService() for each in self.both]
        self.nodes.advance(3.0)
        for each, node in zip(stopping, self.both, strict=True):
            if not each.called:
                self.note(f"{node.peerID} does not stop")
            each.addErrback(lambda reason: self.note(f"stop: {reason.getTraceback()}"))
        left = self.nodes.clock.getDelayedCalls()
        if left:
            self.note(f"delayed calls are left: {left}")
        for witness in self.witnesses:
            if witness.left():
                self.note(f"events without an end: {witness.left()}")
        for node in self.both:
            self._given(node)
        for protocol in self.protocols:
            if protocol.made and protocol.lost != (not protocol.replaced):
                self.note(f"{protocol} was lost {protocol.lost} times")
        for side in self.sides.values():
            if side.producer is not None:
                self.note(f"the producer of {side} was never stopped")
        for what, _ in self.waiting.values():
            self.note(f"{what} never ended")

    def _given(self, node: Node) -> None:
        """
        Look whether everything was given back.
        """
        limiter = node.connections.limiter
        for scope in (
            limiter.system,
            limiter.transient,
            *limiter.peers.values(),
            *limiter.protocols.values(),
        ):
            if any(scope.used):
                self.note(f"not given back: {scope}")
        if limiter.peers or limiter.subnets.counts or len(node.connections):
            self.note(f"left: {limiter.peers} {limiter.subnets.counts}")

    def explain(self) -> str:
        """
        Say what has happened, and what was wrong.
        """
        return "\n".join((f"World({self.seed}, ...)", *self.trace, *self.wrong[:10]))
