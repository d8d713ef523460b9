# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The table of the laboratory: which pairs of routers let two peers meet directly.

C{python -m tests.lab.table FILE} writes it.  It ends with status 1 if a pair does worse
than L{PROMISED}.
"""

from __future__ import annotations

import os
import sys
from itertools import product
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

from tests.lab.case import INSIDE, missing
from tests.lab.lab import Lab
from tests.lab.nat import NAT, Filtering, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.wire import Link
from tests.tun import NAMESPACE
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.holepunch import service
from twisted_libp2p.holepunch.events import DirectConnection, HolePunchFailed
from twisted_libp2p.node import Node
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService

#: The kinds of routers.
KINDS = {
    "independent": NAT(),
    "independent, resets": NAT(resets=True),
    "translating": NAT(Mapping.TRANSLATING),
    "open": NAT(filtering=Filtering.NONE),
    "by address": NAT(Mapping.TRANSLATING, Filtering.ADDRESS),
    "symmetric": NAT(Mapping.SYMMETRIC),
}

#: The pairs, listener and dialer, that do not meet directly; all others do.
APART = {
    ("symmetric", "symmetric"),
    ("symmetric", "independent"),
    ("independent", "symmetric"),
    ("symmetric", "independent, resets"),
    ("independent, resets", "symmetric"),
    ("symmetric", "translating"),
    ("translating", "symmetric"),
}

#: Seconds of one way to the wire, for the relay and for each router.
DELAY = 0.02


async def meet(one: NAT, other: NAT) -> Any:
    """
    Connect two peers behind routers through a relay.

    @return: the event of the punch.
    """
    lab, nodes = Lab(reactor), list[Node]()

    def start(space: Any, address: str, **options: Any) -> Node:
        node = Node(
            ReactorIn(reactor, space),
            listen=[f"/ip4/{address}/tcp/4001"],
            transports=["tcp", "relay"],
            **options,
        )
        node.startService()
        nodes.append(node)
        return node

    try:
        site = lab.site("relay", "45.45.0.10", link=Link(DELAY))
        relay = start(site, "45.45.0.10", services=[RelayService()])
        await relay.whenListening()
        for number, nat in ((1, one), (2, other)):
            router = lab.router(
                f"home{number}",
                f"45.46.{number}.1",
                f"10.{number}.0",
                nat,
                link=Link(DELAY),
            )
            await start(lab.host(router), f"10.{number}.0.2").whenListening()
        _, listener, dialer = nodes
        held = listener.events.next(ReservationHeld)
        await listener.listenOn(f"{relay.addresses[0]}/p2p-circuit")
        await held
        await dialer.identify(relay.addresses[0])
        ended: Deferred[Any] = Deferred()

        def end(event: Any) -> None:
            if not ended.called:
                ended.callback(event)

        for each in (DirectConnection, HolePunchFailed):
            listener.events.subscribe(each, end)
        await dialer.connect(next(filter(isRelayed, listener.addresses)))
        return await ended
    finally:
        for node in nodes:
            await node.stopService()
        lab.close()


async def write(path: str) -> None:
    """
    Try all pairs, and write the table.

    @raise SystemExit: a pair does worse than promised.
    """
    service.PUNCH_TIME = 2.0  # type: ignore[misc]
    worse = []
    lines = [
        ".. Written by make lab.",
        "",
        ".. csv-table::",
        "   :header: listener behind, dialer behind, direct over TCP",
        "",
    ]
    for one, other in product(KINDS, repeat=2):
        event = await meet(KINDS[one], KINDS[other])
        direct = isinstance(event, DirectConnection)
        if not direct and (one, other) not in APART:
            worse.append((one, other))
        told = f"after {event.seconds:.1f} s" if direct else "no"
        if direct and event.attempts > 1:
            told += f" at exchange {event.attempts}"
        lines.append(f'   "{one}", "{other}", "{told}"')
        print(lines[-1], flush=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    if worse:
        raise SystemExit(f"worse than promised: {worse}")


def main() -> None:
    """
    Write the table, in namespaces of our own.
    """
    if not os.environ.get(INSIDE):
        reason = missing()
        if reason is not None:
            raise SystemExit(reason)
        python = [sys.executable, "-m", "tests.lab.table", *sys.argv[1:]]
        os.environ[INSIDE] = "1"
        os.execvp(NAMESPACE[0], [*NAMESPACE, *python])
    react(lambda _: ensureDeferred(write(sys.argv[1])))


if __name__ == "__main__":
    main()
