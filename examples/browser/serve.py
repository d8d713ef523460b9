# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Serve a page that dials this node, and a web site over libp2p:

    npm ci && npm run build
    python serve.py

It prints the URL to open: that of the page, with the address of the node.  Files that
the page sends are in the folder C{inbox}.  With a PEM file of a certificate that the
browser trusts, the node can be dialed by C{/tls/ws}:

    python serve.py /ip4/127.0.0.1/tcp/4001/tls/ws certificate.pem

Over WebTransport, which needs no certificate of yours:

    python serve.py /ip4/127.0.0.1/udp/4001/quic-v1/webtransport

The same over WebRTC:

    python serve.py /ip4/127.0.0.1/udp/4001/webrtc-direct
"""

import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from twisted_libp2p.node import Node
from twisted_libp2p.status import servePeerPage
from twisted_libp2p.transfer.inbox import Inbox
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

HERE = Path(__file__).parent

HELLO = b"""<!doctype html><meta charset="utf-8"><title>Hello</title>
<style>body { font: 1rem/1.5 system-ui; margin: 1.5rem }</style>
<h1>Hello, browser</h1>
<p>This page came from a Twisted <code>Site</code>, over libp2p.</p>
<p>There is no web server on a port of its own: this is a stream of the connection
by which your page has dialed.</p>
"""


async def main(reactor, listen="/ip4/127.0.0.1/tcp/4001/ws", certificate=None):
    if not (HERE / "build" / "page.js").exists():
        raise SystemExit("build the page first: npm ci && npm run build")
    transports = [
        "quic",
        "webrtc-direct",
        "ws",
        SecureWebSockets(certificate=certificate),
    ]
    inbox = Path("inbox")
    inbox.mkdir(exist_ok=True)
    services = [Inbox(str(inbox))]
    node = Node(reactor, listen=[listen], transports=transports, services=services)
    site = Resource()
    site.putChild(b"", Data(HELLO, "text/html"))
    node.registry.register("/http/1.1", Site(site))
    page = servePeerPage(reactor, node, "tcp:0", str(HERE / "build"))
    node.startService()
    (address,) = await node.whenListening()
    port = await page.whenListening()
    print(f"http://127.0.0.1:{port.getHost().port}/#{address}", flush=True)
    await Deferred()


react(main, sys.argv[1:])
