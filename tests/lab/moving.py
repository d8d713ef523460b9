# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node behind a router, whose network changes: how soon it is reached again through its
relay, without a restart.

C{python -m tests.lab.moving FILE} writes the times, and ends with status 1 if a change
takes longer than L{PROMISED}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater, react

from tests.lab.case import INSIDE, missing
from tests.lab.lab import Lab
from tests.lab.nat import NAT, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.wire import Link
from tests.processes import TWIST, Program
from tests.tun import NAMESPACE
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.relay.service import RelayService

__all__ = ["CHANGES", "PROMISED", "Mover"]

#: Seconds until a node that has moved is reached again.
PROMISED = 30.0

#: Seconds for one dial of the visitor.
DIAL = 2.0

#: Seconds for which the relay is away.
AWAY = 5.0

#: Seconds of one way to the wire, for the relay, the router and the visitor.
DELAY = 0.02


class Mover:
    """
    C{twist libp2p --relay} behind a router, its relay, and a visitor that dials it.

    @ivar program: the command.
    """

    def __init__(self, clock: Any, lab: Lab) -> None:
        self._clock = clock
        self._lab = lab
        self._key = Identity.generate()
        self._addresses = iter(range(3, 250))
        self._link = Link(DELAY)
        self.program = Program()

    async def begin(self) -> None:
        """
        Start all three, and reach the node once.
        """
        lab = self._lab
        self._site = lab.site("relay", "45.45.0.10", link=Link(DELAY))
        await self._startRelay()
        self._router = lab.router(
            "home", "45.46.1.1", "10.1.0", NAT(Mapping.TRANSLATING), link=self._link
        )
        self._host = lab.host(self._router)
        self._local = "10.1.0.2"
        command = [sys.executable, *TWIST, "--log-format=text", "libp2p", "--echo"]
        command += ["--relay", str(self._relay.addresses[0])]
        ReactorIn(self._clock, self._host).spawnProcess(
            self.program, sys.executable, command, env=None
        )
        self._circuit = await self.program.says(
            r"listening on (\S+/tcp/\S+/p2p-circuit/\S+)"
        )
        visitor = lab.site("visitor", "45.47.0.10", link=Link(DELAY))
        self._visitor = Node(
            ReactorIn(self._clock, visitor), transports=["tcp", "relay"]
        )
        self._visitor.startService()
        await self.reach()

    async def _startRelay(self) -> None:
        relay = self._relay = Node(
            ReactorIn(self._clock, self._site),
            identity=self._key,
            listen=["/ip4/45.45.0.10/tcp/4001"],
            transports=["tcp"],
            services=[RelayService()],
        )
        relay.startService()
        await relay.whenListening()

    async def end(self) -> None:
        """
        Stop all of them.
        """
        await self.program.stop()
        for each in (self._visitor, self._relay):
            await each.stopService()

    async def reach(self) -> float:
        """
        Dial the node until it answers.

        @return: the seconds that it took.
        """
        began = self._clock.seconds()
        options = DialOptions(fresh=True, allowLimited=True, timeout=DIAL)
        while True:
            try:
                connection = await self._visitor.connect(self._circuit, options)
                await connection.ping().addTimeout(DIAL, self._clock)
            except (Libp2pError, TimeoutError):
                await deferLater(self._clock, 0.1)
                continue
            took: float = self._clock.seconds() - began
            for each in list(self._visitor.connections):
                await each.close()
            return took

    # Changes

    async def reboot(self) -> None:
        """
        The router forgets all connections.
        """
        self._router.become(self._router.nat)

    async def changePublicAddress(self) -> None:
        """
        The router gets another public address.
        """
        router, old = self._router, self._router.wan
        router.wan = f"45.46.1.{next(self._addresses)}"
        self._lab.wire.route(router.wan, old)
        router.run(f"ip address del {old} dev wan")
        router.run(f"ip address add {router.wan} dev wan")
        router.run("ip route replace default dev wan")
        router.become(router.nat)

    async def changeLocalAddress(self) -> None:
        """
        The host gets another address from its router.
        """
        old, self._local = self._local, f"10.1.0.{next(self._addresses)}"
        self._host.run(f"ip address del {old}/24 dev eth0")
        self._host.run(f"ip address add {self._local}/24 dev eth0")
        self._host.run("ip route replace default via 10.1.0.1")

    async def restartRelay(self) -> None:
        """
        The relay is away for a while.
        """
        await self._relay.stopService()
        await deferLater(self._clock, AWAY)
        await self._startRelay()

    async def unplug(self) -> None:
        """
        The wire of the router is cut for a while.
        """
        self._link.up = False
        await deferLater(self._clock, AWAY)
        self._link.up = True


#: The changes, and what they are called.
CHANGES: dict[str, Callable[[Mover], Awaitable[None]]] = {
    "the router restarts": Mover.reboot,
    "the router gets another public address": Mover.changePublicAddress,
    "the host gets another address": Mover.changeLocalAddress,
    "the relay restarts": Mover.restartRelay,
    "the wire is cut for 5 s": Mover.unplug,
}


async def measure(path: str) -> None:
    """
    Write the seconds after each change.

    @param path: the table for the manual.
    @raise SystemExit: one takes too long.
    """
    lines = ["   :header: change, reached again after", ""]
    lab = Lab(reactor)
    mover = Mover(reactor, lab)
    late = []
    try:
        await mover.begin()
        for name, change in CHANGES.items():
            await change(mover)
            took = await mover.reach()
            lines.append(f'   "{name}", "{took:.1f} s"')
            print(lines[-1], flush=True)
            if took > PROMISED:
                late.append(name)
    finally:
        await mover.end()
        lab.close()
    head = [".. Written by make lab.", "", ".. csv-table::"]
    Path(path).write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    if late:
        raise SystemExit(f"not reached within {PROMISED:g} s: {', '.join(late)}")


def main() -> None:
    """
    Measure, in namespaces of our own.
    """
    if not os.environ.get(INSIDE):
        reason = missing()
        if reason is not None:
            raise SystemExit(reason)
        os.environ[INSIDE] = "1"
        python = [sys.executable, "-m", "tests.lab.moving", *sys.argv[1:]]
        os.execvp(NAMESPACE[0], [*NAMESPACE, *python])
    react(lambda _: ensureDeferred(measure(sys.argv[1])))


if __name__ == "__main__":
    main()
