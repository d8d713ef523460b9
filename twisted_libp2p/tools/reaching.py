# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node of a tool that reaches one peer.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError

from twisted_libp2p import seek
from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.errors import ConfigurationError, UpgradeTimeout
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.node import Node
from twisted_libp2p.options.listening import freeAddresses
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.quic.backends import installed
from twisted_libp2p.transport.endpoint import PREFIX as ENDPOINT
from twisted_libp2p.tunnel.opening import DIRECT_TIME

__all__ = ["reach", "reaching"]


@asynccontextmanager
async def reaching(reactor: Any, options: Any) -> AsyncIterator[Node]:
    """
    Run a node that can find and reach the peer of a tool; stop it at the end.

    @param options: a L{LookingOptions<twisted_libp2p.options.looking.LookingOptions>}
        with an C{address} and a C{timeout}, and perhaps a C{known} paired peer.
    @raise ConfigurationError: the peer cannot be looked up.
    """
    address = options["address"]
    arguments = options.nodeArguments()
    network = arguments["network"]
    routings = options.routings(network)
    known = options.get("known")
    # An id, without an address.
    bare = not address.startswith(("/", ENDPOINT))
    if bare and not routings and known is None:
        # Only some tools know paired peers.
        hint = (
            "; libp2p accept TICKET gives a peer a name" if "known" in options else ""
        )
        raise ConfigurationError(
            f"{address} is no address: give one, such as /ip4/192.0.2.1/tcp/4001; or"
            " say where to look for the peer, by --bootstrap, --mdns or --routing-url"
            f"{hint}"
        )
    # Such a peer may be found at a relay.
    holes = bare or "/p2p-circuit" in address
    listen = freeAddresses(network is None and installed()) if holes else []
    node = Node(reactor, **{**arguments, "listen": listen}, services=routings)
    if known is not None:
        node.peerstore.addAddresses(known.peer, known.addresses)
    node.startService()
    try:
        yield node
    finally:
        await node.stopService()


async def reach(reactor: Any, options: Any, node: Node) -> IConnection:
    """
    Connect with the peer of a tool, directly if that can be.

    @raise UpgradeTimeout: it takes too long.
    """
    address, seconds = options["address"], options["timeout"]
    connecting = Deferred.fromCoroutine(_connect(node, options))
    addTimeout(connecting, seconds, reactor)
    try:
        connection: IConnection = await connecting
    except TimeoutError:
        raise UpgradeTimeout(f"the connection to {address}", seconds) from None
    if isDirect(connection):
        return connection
    _say(
        "connected through a relay; waiting up to"
        f" {DIRECT_TIME:g} s for a direct connection"
    )
    direct = await node.whenDirect(connection.remotePeer, DIRECT_TIME)
    if direct is None:
        limits = ": the relay limits time and bytes" if connection.limited else ""
        _say(f"no direct connection{limits}")
        return connection
    _say(f"connected directly, at {direct.remoteAddress}")
    return direct


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _connect(node: Node, options: Any) -> IConnection:
    """
    Connect to the peers that help to find the target, and to the target.
    """
    # The peers have to see the port from which a hole is punched.
    await node.whenListening()
    if options["bootstrap"]:
        await seek.bootstrap(node, options["bootstrap"])
    connection: IConnection = await node.connect(options["address"])
    return connection
