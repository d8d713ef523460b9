# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Clients that come at a steady rate, each with a stream that lasts for seconds.

C{python -m tests.faults.clients ADDRESS RATE} runs them until its standard input ends,
and then prints the counts and the errors, as an object in JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.python.failure import Failure

from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID

__all__ = ["Clients"]

#: Seconds that a stream lasts.
LASTS = 3.0

#: The maximum number of clients at the same time, in multiples of those that come while
#: a stream lasts: on a slow machine the others stay away.
CROWD = 2.0


class Words(Protocol):
    """
    Sends words, and waits for each of them to come back.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Wait for nothing yet.
        """
        self._waiting: Deferred[bytes] | None = None
        self._lost: Failure | None = None

    def say(self, word: bytes) -> Deferred[bytes]:
        """
        Send a word.

        @return: fires with the answer; fails if the stream ends before.
        """
        waiting: Deferred[bytes] = Deferred()
        if self._lost is not None:
            waiting.errback(self._lost)
            return waiting
        self._waiting = waiting
        self.transport.write(word)
        return waiting

    def dataReceived(self, data: bytes) -> None:
        """
        Report the answer.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end to the caller that waits.
        """
        self._lost = reason
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.errback(reason)


class Clients:
    """
    The clients.

    @ivar done: the number of streams that have lasted.
    @ivar errors: the others, by their errors.
    @ivar missed: the number of clients that did not come, since this machine is slow.
    @ivar slowest: seconds from the longest dial until its stream was open.
    """

    def __init__(self, clock: IReactorTime, address: str) -> None:
        self.done = self.missed = 0
        self.errors: Counter[str] = Counter()
        self.slowest = 0.0
        self._clock = clock
        self._address = address
        self._idle: list[Node] = []
        self._all: list[Node] = []
        self._visits: set[Deferred[None]] = set()
        self._room = 0
        self._loop = LoopingCall.withCount(self._begin)
        self._loop.clock = clock

    def start(self, rate: float) -> None:
        """
        Let as many clients come in each second, as long as the machine keeps up.
        """
        self._room = round(rate * LASTS * CROWD)
        self._loop.start(1 / rate)

    async def finish(self) -> None:
        """
        Let no other client come, and wait for those that are there.
        """
        self._loop.stop()
        while self._visits:
            await next(iter(self._visits))
        for node in self._all:
            await node.stopService()

    def _begin(self, due: int) -> None:
        self.missed += due
        if len(self._visits) >= self._room:
            return
        self.missed -= 1
        visit = ensureDeferred(self._visit())
        self._visits.add(visit)
        visit.addErrback(self._failed)
        visit.addCallback(lambda _: self._visits.discard(visit))

    def _failed(self, reason: Failure) -> None:
        self.errors[f"{type(reason.value).__name__}: {reason.value}"] += 1

    def _node(self) -> Node:
        """
        Return a node without a connection.
        """
        if self._idle:
            return self._idle.pop()
        node = Node(self._clock, reachability=False)
        self._all.append(node)
        node.startService()
        return node

    async def _visit(self) -> None:
        """
        Use a stream of a new connection.
        """
        node = self._node()
        factory = Factory.forProtocol(Words)
        factory.noisy = False
        begun = self._clock.seconds()
        connection = await node.connect(self._address, DialOptions(fresh=True))
        words = await node.openStream(connection.remotePeer, PROTOCOL_ID, factory)
        assert isinstance(words, Words)
        self.slowest = max(self.slowest, self._clock.seconds() - begun)
        for word in (b"hello", b"bye"):
            answer = await words.say(word)
            if answer != word:
                raise AssertionError(f"{answer!r} instead of {word!r}")
            if word == b"hello":
                await deferLater(self._clock, LASTS, lambda: None)
        await connection.close()
        self.done += 1
        self._idle.append(node)


class Order(Protocol):
    """
    The standard input, whose end is the order to end.
    """

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self.ended.callback(None)


async def main(reactor: Any, address: str, rate: str) -> None:
    """
    Run the clients.
    """
    order = Order()
    pipe: type[Any] = StandardIO
    pipe(order, reactor=reactor)
    clients = Clients(reactor, address)
    clients.start(float(rate))
    await order.ended
    await clients.finish()
    found = {
        "done": clients.done,
        "missed": clients.missed,
        "slowest": clients.slowest,
        "errors": clients.errors,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
