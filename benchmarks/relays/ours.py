# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our programs of the comparison of relays: a relay without limits, and a listener at a
relay, until their standard input ends::

    python -m benchmarks.relays.ours relay
    python -m benchmarks.relays.ours listen RELAY
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO

from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols import echo, perf
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService

MANY = 1 << 16

#: A relay that refuses nobody.
LIMITS = RelayLimits(
    reservations=MANY,
    reservationsPerAddress=MANY,
    reservationsPerNetwork=MANY,
    circuits=MANY,
    circuitsPerPeer=MANY,
    circuitsPerAddress=MANY,
    circuitsPerNetwork=MANY,
    duration=None,
    data=None,
    peerBurst=MANY,
    addressBurst=MANY,
)


class _Input(Protocol):
    """
    The standard input.

    @ivar ended: fires at its end.
    """

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        """
        Report the end.
        """
        self.ended.callback(None)


async def play(reactor: Any, role: str, *relay: str) -> None:
    """
    Print where we are, and serve.
    """
    waiting = _Input()
    StandardIO(waiting)
    node = Node(
        reactor,
        listen=["/ip4/127.0.0.1/tcp/0"],
        limits=Limits.none(),
        holePunching=False,
        services=[RelayService(LIMITS)] if role == "relay" else [],
    )
    node.startService()
    await node.whenListening()
    if relay:
        node.registry.register(perf.PROTOCOL_ID, perf.PerfFactory(reactor))
        node.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
        held = node.events.next(ReservationHeld)
        await node.listenOn(f"{relay[0]}/p2p-circuit")
        await held
    (address,) = (each for each in node.addresses if isRelayed(each) is bool(relay))
    print(json.dumps({"addr": str(address), "pid": os.getpid()}), flush=True)
    await waiting.ended
    await node.stopService()


if __name__ == "__main__":
    task.react(lambda _: Deferred.fromCoroutine(play(reactor, *sys.argv[1:])))
