# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Fetch a page that Twisted's web server serves over libp2p, with its web client:

    twist web --path . --listen libp2p:/ip4/127.0.0.1/tcp/4002:protocol=/http/1.1
    python examples/web_over_libp2p.py /ip4/127.0.0.1/tcp/4002/p2p/12D3Koo... /

The connection is encrypted, and the peer is who its id says: no certificate is
needed, no port has to be open beside the node's own, no server has to be changed.
"""

import sys
from typing import Any

from twisted.internet.task import react

from twisted_libp2p import Node
from twisted_libp2p.web import Agent, readSome


async def main(reactor: Any, address: str, path: str) -> None:
    async with Node(reactor) as node:
        uri = f"multiaddr:{address}/http-path{path}".encode()
        response = await Agent(node).request(b"GET", uri)
        print(response.code, (await readSome(response, 2**20)).decode())


react(main, sys.argv[1:])
