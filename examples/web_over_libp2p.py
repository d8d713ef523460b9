# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Fetch a page that Twisted's web server serves over libp2p, with its web client:

    twist web --path . --listen libp2p:/ip4/127.0.0.1/tcp/4002:protocol=/http/1.1
    python examples/web_over_libp2p.py /ip4/127.0.0.1/tcp/4002/p2p/12D3Koo... /

The connection is encrypted, and the peer is who its id says: no certificate is
needed, no port has to be open beside the node's own, no server has to be changed.
"""

import sys

from twisted.internet.endpoints import clientFromString
from twisted.internet.task import react
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer


@implementer(IAgentEndpointFactory)
class OnePeer:
    def __init__(self, reactor, address):
        self.endpoint = clientFromString(
            reactor, f"libp2p:{address}:protocol=/http/1.1"
        )

    def endpointForURI(self, uri):
        return self.endpoint


async def main(reactor, address, path):
    agent = Agent.usingEndpointFactory(reactor, OnePeer(reactor, address))
    response = await agent.request(b"GET", b"http://peer" + path.encode())
    print(response.code, (await readBody(response)).decode())


react(main, sys.argv[1:])
