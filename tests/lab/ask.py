# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoNAT between ours and another implementation in a laboratory, as a program:
C{python -m tests.lab.ask SERVER CLIENT VERSION ROUTER TRANSPORT}.

The client of ours stands behind a router that forwards its port (C{forwarding}) or not
(C{closed}, or C{resetting} if it answers by a reset); that of another implementation is
in the internet (C{none}).  It ends with status 0 if the client has got the right
verdict.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

from tests.interop.process import ForeignPeer
from tests.lab.lab import Lab
from tests.lab.nat import NAT
from tests.lab.players import PATHS, commandOf
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from twisted_libp2p.events import ReachabilityChanged
from twisted_libp2p.interfaces import Reachability
from twisted_libp2p.node import Node

#: The routers, and the verdicts behind them.
ROUTERS = {
    "forwarding": (
        NAT(forwards=(("tcp", 4001, "10.1.0.2"), ("udp", 4001, "10.1.0.2"))),
        Reachability.PUBLIC,
    ),
    "closed": (NAT(), Reachability.PRIVATE),
    "resetting": (NAT(resets=True), Reachability.PRIVATE),
}

SERVER = "45.45.1.10"
CLIENT = "45.45.9.10"

#: Further servers of ours: go-libp2p asks the same one again only after two minutes,
#: and wants two answers.  js-libp2p counts one answer for each first byte of an
#: address.
OTHERS = ("46.45.2.10", "47.45.3.10", "48.45.4.10")

#: The peers that ask only the servers that they have dialed.
DIALS_SERVERS = ("rust",)

#: The peers that name the reached addresses in version 1, too.
NAMES_ADDRESSES = ("js",)

#: The client of version 1 of go-libp2p is on if the peer has version 2.
VERSIONS = {"go": "2"}

#: Seconds for a verdict of ours.
OUR_LIMIT = 40

#: Seconds for that of a peer of another implementation; the client of version 1 of
#: go-libp2p waits before it asks.
LIMIT = 100


class Asking:
    """
    A server and a client.
    """

    def __init__(self, version: str, transport: str) -> None:
        self.lab = Lab(reactor)
        self._version = version
        self._transport = transport
        self._nodes: list[Node] = []
        self._processes: list[ForeignPeer] = []

    def node(self, space: Space, host: str) -> Node:
        """
        Start a node of ours.
        """
        node = Node(
            ReactorIn(reactor, space),
            listen=[f"/ip4/{host}/{PATHS[self._transport]}"],
            transports=[self._transport],
        )
        self._nodes.append(node)
        with space.entered():
            node.startService()
        return node

    def foreign(
        self, name: str, space: Space, host: str, version: str, *meet: str
    ) -> ForeignPeer:
        """
        Start a peer of another implementation.

        @param meet: the addresses of the peers that it dials, if it can.
        """
        command = commandOf(name)
        if isinstance(command, str):
            raise AssertionError(f"no {name} peer: {command}")
        options = ["--host", host, "--port", "4001", "--autonat", version]
        options += ["--transport", self._transport]
        inside = ReactorIn(reactor, space)
        if name in DIALS_SERVERS:
            options += [word for each in meet for word in ("--meet", each)]
        process = ForeignPeer.start(inside, command, "listen", *options)
        self._processes.append(process)
        return process

    async def server(self, name: str) -> str:
        """
        Start the server.

        @return: its address.
        """
        space = self.lab.site("server", SERVER)
        if name == "ours":
            node = self.node(space, SERVER)
            await node.whenListening()
            for each in OTHERS:
                other = self.node(self.lab.site(each, each), each)
                await other.whenListening()
            return str(node.addresses[0])
        return await self._place(
            self.foreign(name, space, SERVER, self._version), SERVER
        )

    async def _place(self, process: ForeignPeer, host: str) -> str:
        """
        Return the address of a peer, which may not state it before it is verified.
        """
        hello = await process.line(lambda line: "peerId" in line)
        return f"/ip4/{host}/{PATHS[self._transport]}/p2p/{hello['peerId']}"

    async def ours(self, server: str, router: str) -> None:
        """
        Be the client, and wait for the right verdict.
        """
        nat, wanted = ROUTERS[router]
        home = self.lab.router("home", "45.46.1.1", "10.1.0", nat)
        node = self.node(self.lab.host(home), "10.1.0.2")
        await node.whenListening()
        found: Deferred[None] = Deferred()

        def changed(event: ReachabilityChanged) -> None:
            if event.reachability is wanted and not found.called:
                found.callback(None)

        node.events.subscribe(ReachabilityChanged, changed)
        await node.connect(server)
        try:
            await found.addTimeout(OUR_LIMIT, reactor)
        finally:
            print(node.reachability.explain())

    async def theirs(self, name: str, server: str) -> None:
        """
        Let another implementation be the client, and wait until it was reached.
        """
        process = self.foreign(
            name,
            self.lab.site("client", CLIENT),
            CLIENT,
            VERSIONS.get(name, self._version),
            *(str(each.addresses[0]) for each in self._nodes),
        )
        place = await self._place(process, CLIENT)
        for node in self._nodes:
            await node.connect(place)
        reached: Deferred[Any] = (
            process.line(lambda line: bool(line.get("reachable")))
            if self._version == "2" or name in NAMES_ADDRESSES
            else process.line(lambda line: line.get("state") == "Public")
        )
        try:
            await reached.addTimeout(LIMIT, reactor)
        finally:
            for node in self._nodes:
                print(node.reachability.server.answers)

    async def stop(self) -> None:
        """
        End all of them.
        """
        for node in self._nodes:
            await node.stopService()
        for process in self._processes:
            await process.stop()
        self.lab.close()


async def run(arguments: list[str]) -> None:
    """
    Let a client ask a server.

    @raise Exception: the verdict does not come.
    """
    server, client, version, router, transport = arguments
    asking = Asking(version, transport)
    try:
        address = await asking.server(server)
        if client == "ours":
            await asking.ours(address, router)
        else:
            await asking.theirs(client, address)
    finally:
        await asking.stop()


if __name__ == "__main__":
    react(lambda _: ensureDeferred(run(sys.argv[1:])))
