# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Asks a peer for its greeting over HTTP.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.task import react

from twisted_libp2p import Multiaddr, Node
from twisted_libp2p.web import Agent, readSome


async def main(reactor: Any, address: str) -> None:
    async with Node(reactor) as node:
        agent = Agent(node)
        uri = f"multiaddr:{address}/http-path/hello".encode()
        response = await agent.request(b"GET", uri)
        print(response.code, (await readSome(response, 1000)).decode(), end="")

        peer = Multiaddr(address).peerID
        print(await agent.protocols(peer))
        uri = await agent.uriOf(peer, "/greeting/1.0.0")
        print(uri.decode())


react(main, sys.argv[1:])
