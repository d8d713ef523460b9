# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A local network with one peer of each implementation, which find each other by mDNS.

It runs in a network namespace of its own::

    unshare --user --map-root-user --net python -m tests.interop.neighbours COMMANDS

COMMANDS is an object of JSON: the command of each peer.  The last line of the output
is one as well: for each peer, the peers that it has found.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import react

from tests.interop.process import ForeignPeer, Line
from twisted_libp2p.discovery.events import PeerDiscovered
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.node import Node

__all__ = ["EXPECTED", "NETWORK", "PEERS", "main"]

#: In the order of their start: py-libp2p waits up to 15 s for each name of js and rust.
PEERS = ("ours", "go", "py", "js", "rust")

#: The peers that each peer finds.  go-libp2p and python-zeroconf need SRV and A, which
#: js and rust do not send; python-zeroconf needs the name of the service in a name,
#: which rust leaves out; rust reads no TXT record among the answers, where js has it.
EXPECTED = {
    "ours": {"go", "js", "py", "rust"},
    "go": {"ours", "py"},
    "js": {"ours", "go", "py", "rust"},
    "py": {"ours", "go"},
    "rust": {"ours", "go", "py"},
}

#: The address of all peers.
HOST = "10.77.0.1"

#: Makes the network: js sends by the default route, rust and go not by loopback.
NETWORK = (
    "ip link set lo up",
    "ip link add veth0 type veth peer name veth1",
    f"ip addr add {HOST}/24 dev veth0",
    "ip link set veth0 up",
    "ip link set veth1 up",
    f"ip route add default via {HOST}",
)

#: Seconds for all of them to find each other.
LIMIT = 90.0


class Neighbours:
    """
    The peers, and what they have found.

    @ivar complete: fires when each peer has found all the expected ones.
    """

    def __init__(self, reactor: Any, wanted: dict[str, set[str]]) -> None:
        """
        @param wanted: the peers that each peer has to find.
        """
        self.reactor = reactor
        self.wanted = wanted
        self.names: dict[str, str] = {}
        self.found: dict[str, set[str]] = {each: set() for each in wanted}
        self.complete: Deferred[None] = Deferred()

    def ours(self) -> Node:
        """
        Start our own node.
        """
        listen = f"/ip4/{HOST}/tcp/0"
        node = Node(self.reactor, listen=listen, services=[MdnsService()])
        self.names[str(node.peerID)] = "ours"
        node.events.subscribe(
            PeerDiscovered, lambda event: self.seen("ours", str(event.peer))
        )
        node.startService()
        return node

    async def foreign(self, name: str, command: list[str]) -> ForeignPeer:
        """
        Start a peer of others.
        """
        peer = ForeignPeer.start(
            self.reactor, command, "listen", "--host", HOST, "--mdns"
        )
        hello = await peer.line(lambda line: "addrs" in line and "event" not in line)
        self.names[hello["peerId"]] = name
        self.follow(name, peer)
        return peer

    def follow(self, name: str, peer: ForeignPeer) -> None:
        """
        Note the peers that a peer finds.
        """

        def found(line: Line) -> None:
            self.seen(name, line["peer"])
            self.follow(name, peer)

        peer.event("found").addCallbacks(found, lambda reason: None)

    def seen(self, name: str, peer: str) -> None:
        """
        Note that a peer has found another one; its name may not be known so far.
        """
        self.found[name].add(peer)
        self.check()

    def table(self) -> dict[str, list[str]]:
        """
        Return the found peers by name.
        """
        return {
            name: sorted(
                self.names[peer] for peer in peers if self.names.get(peer, name) != name
            )
            for name, peers in self.found.items()
        }

    def check(self) -> None:
        """
        Report when nothing is missing.
        """
        table = self.table()
        if not self.complete.called and all(
            wanted <= set(table[name]) for name, wanted in self.wanted.items()
        ):
            self.complete.callback(None)


async def meet(reactor: Any, commands: dict[str, list[str]]) -> None:
    """
    Start all peers, wait until they have found each other, and print the table.
    """
    for each in NETWORK:
        subprocess.run(each.split(), check=True)
    there = {"ours", *commands}
    wanted = {each: EXPECTED[each] & there for each in PEERS if each in there}
    neighbours = Neighbours(reactor, wanted)
    node = neighbours.ours()
    peers = [await neighbours.foreign(*each) for each in commands.items()]
    neighbours.check()
    try:
        await neighbours.complete.addTimeout(LIMIT, reactor)
    except TimeoutError:
        print("not all of them in time", file=sys.stderr)
    print(json.dumps(neighbours.table()), flush=True)
    for peer in peers:
        peer.transport.signalProcess("KILL")
        await peer.ended
    await node.stopService()


def main(arguments: list[str]) -> None:
    """
    Be the network.
    """
    react(
        lambda reactor: Deferred.fromCoroutine(meet(reactor, json.loads(arguments[0])))
    )


if __name__ == "__main__":
    main(sys.argv[1:])
