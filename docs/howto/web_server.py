# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A web site for peers, which greets each by its id.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import react
from twisted.web.resource import Resource

from twisted_libp2p import Node
from twisted_libp2p.web import WebService


class Greeting(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        return f"hello, {request.getPeer().peerID}\n".encode()


async def main(reactor: Any) -> None:
    web = WebService()
    web.mount("/greeting/1.0.0", Greeting(), "/hello")
    node = Node(reactor, listen="/ip4/127.0.0.1/tcp/4001", services=[web])
    async with node:
        for address in node.addresses:
            print("listening on", address)
        await node.whenStopped()


react(main)
