# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the status page, in a real browser and with real traffic.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from tests.status.chromium import Chromium, findChromium
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.status import serveStatus

LISTEN = "/ip4/127.0.0.1/tcp/0"

#: What a peer may say it is, and what would happen if we believed it.
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>taken()</script>"


#: The parts of the map in L{BrowserTests.test_map}.
_DRAWN = {"circle": 6, "line": 5, "line.relay": 2, "img": 0, "title": 5}


def text(selector: str) -> str:
    """
    @return: what gives the text of an element, in JavaScript.
    """
    return f"document.querySelector({json.dumps(selector)}).innerText"


class BrowserTests(TestCase):
    """
    The page as it is seen.
    """

    timeout = 600

    async def setUp(self) -> None:  # type: ignore[override]
        """
        Start a node that serves echo, its page, and the browser.
        """
        findChromium()
        self.node = await self.start(listen=[LISTEN])
        self.node.registry.register(ECHO, EchoFactory())
        status = serveStatus(reactor, self.node, "tcp:0")
        port: Any = await status.whenListening()
        self.origin = f"http://127.0.0.1:{port.getHost().port}"
        self.browser = Chromium()
        self.browser.start(Path(self.mktemp()).absolute())
        self.addCleanup(self.browser.stop)

    async def start(self, **options: Any) -> Node:
        """
        Start a node.
        """
        node = Node(reactor, **options)
        node.startService()
        self.addCleanup(node.stopService)
        await node.whenListening()
        return node

    async def talk(self, node: Node, streams: int) -> None:
        """
        Open streams to the node, leave them open, and send something on them.
        """
        (address,) = self.node.addresses
        for _ in range(streams):
            protocol: Any = await node.connector(address, ECHO).connect(
                Factory.forProtocol(Protocol)
            )
            protocol.transport.write(b"x" * 10_000)
        await node.ping(address)

    async def test_page(self) -> None:
        """
        The page shows the peers and what they do, and goes on to do so without
        being loaded again; it asks nobody but the node.
        """
        one = await self.start(agent="lantern/2.1", listen=[LISTEN])
        two = await self.start(
            muxers=["mplex"], security=["tls"], agent="weather-station/0.4"
        )
        await self.talk(one, 3)
        await self.talk(two, 2)
        self.node.connections.protect(one.peerID, "test", redial=False)
        self.node.connections.tags.set(two.peerID, "test", 5)
        browser = self.browser
        await browser.open(f"{self.origin}/", 1280, 900, "light")
        await browser.until(
            "document.querySelectorAll('#connections tbody tr').length === 2"
            " && document.querySelectorAll('#events li').length > 4"
        )
        shown = await browser.evaluate(text("#connections"))
        for part in (str(one.peerID)[-8:], "lantern/2.1", "/noise", "/yamux/1.0.0"):
            self.assertIn(part, shown)
        for part in (str(two.peerID)[-8:], "weather", "/tls/1.0.0", "/mplex/6.7.0"):
            self.assertIn(part, shown)
        self.assertIn(str(self.node.peerID), await browser.evaluate(text("header")))
        self.assertIn(ECHO, await browser.evaluate(text("#protocols")))
        self.assertEqual(await browser.evaluate(text("#streamCount")), "5")

        await browser.evaluate("window.loadedOnce = true")
        three = await self.start(agent="late/1.0")
        await self.talk(three, 1)
        await browser.until(f"{text('#connections')}.includes('late/1.0')")
        await browser.until(f"{text('#events')}.includes('late/1.0')")
        await self.keep("light")
        await one.stopService()
        await browser.until(f"{text('#connectionCount')} === '2'")
        await browser.until(f"{text('#events')}.includes('disconnected')")
        self.assertIs(await browser.evaluate("window.loadedOnce"), True)

        self.assertIn("2 peers", await browser.evaluate("document.title"))
        self.assertEqual(browser.complaints, [])
        self.assertEqual(
            browser.requested, [f"{self.origin}/", f"{self.origin}/events"]
        )

    async def test_map(self) -> None:
        """
        The map has each peer once, by its best connection; a peer at a relay is
        connected with its relay.  It is drawn of the addresses alone.
        """
        browser = self.browser
        await browser.open(f"{self.origin}/", 1280, 900, "light")
        await browser.until(f"{text('#live')} === 'live'")
        shown = [
            {"peer": peer, "address": address, "streams": 1}
            for peer, address in (
                ("relay", "/ip4/192.0.2.1/udp/1/quic-v1"),
                ("far", "/ip4/192.0.2.1/tcp/1/p2p/relay/p2p-circuit"),
                ("both", "/ip4/192.0.2.1/tcp/1/p2p/relay/p2p-circuit"),
                ("both", "/ip4/192.0.2.2/tcp/1"),
                ("alone", "/ip4/192.0.2.9/tcp/1/p2p/away/p2p-circuit"),
                (HOSTILE, "/ip4/192.0.2.3/tcp/1/ws"),
            )
        ]
        count = "document.querySelectorAll('#map {}').length"
        counts = ", ".join(count.format(each) for each in _DRAWN)
        legend = (
            "[...document.querySelectorAll('#legend span')].map(e => e.textContent)"
        )
        # The line of the peer at a relay begins at the dot of the relay.
        begins = (
            "[...document.querySelectorAll('#map line.relay')].some(line =>"
            " line.getAttribute('x1') ==="
            " document.querySelector('#map circle.quic').getAttribute('cx'))"
        )
        # At once: the page draws its own map each second.
        drawn = await browser.evaluate(
            f"map({json.dumps(shown)}), [[{counts}], {legend}, {begins}]"
        )
        words = ["tcp 1", "quic 1", "websocket 1", "through a relay 2"]
        self.assertEqual(drawn, [list(_DRAWN.values()), words, True])
        self.assertEqual(browser.complaints, [])

    async def test_filter(self) -> None:
        """
        The lines with a text remain, whether they were there before it was written
        or come later; a button copies the whole id.
        """
        for agent in ("lantern/2.1", "weather-station/0.4"):
            await self.talk(await self.start(agent=agent), 1)
        browser = self.browser
        await browser.open(f"{self.origin}/", 1280, 900, "light")
        shown = "document.querySelectorAll('#connections tbody tr:not([hidden])')"
        await browser.until(f"{shown}.length === 2")
        # The name of the button is no text of the line.
        ids = (str(each.remotePeer) for each in self.node.connections)
        for wanted, count in ((next(ids), 1), (f"{next(ids)} copy", 0), ("WEATHER", 1)):
            await browser.evaluate(
                f"document.getElementById('filter').value = '{wanted}';"
                "document.getElementById('filter').dispatchEvent(new Event('input'))"
            )
            await browser.until(f"{shown}.length === {count}")
        self.assertIn("weather", await browser.evaluate(text("#connections")))
        await self.talk(await self.start(agent="weather/1"), 1)
        await browser.until(f"{shown}.length === 2")
        self.assertIn(ECHO, await browser.evaluate(text("#served")))
        await browser.evaluate(
            "Object.defineProperty(navigator, 'clipboard', {value:"
            " {writeText: async copied => { window.copied = copied; }}});"
            "document.querySelector('#peer + .copy').click()"
        )
        await browser.until("window.copied !== undefined")
        self.assertEqual(await browser.evaluate("window.copied"), str(self.node.peerID))
        self.assertEqual(browser.complaints, [])

    async def test_hostile(self) -> None:
        """
        What a peer says of itself is text, whatever it says.
        """
        self.node.registry.register(lambda protocol: "<" in protocol, EchoFactory())
        peer = await self.start(agent=HOSTILE)
        await peer.connector(self.node.addresses[0], f"/{HOSTILE}").connect(
            Factory.forProtocol(Protocol)
        )
        browser = self.browser
        await browser.open(f"{self.origin}/", 1280, 900, "light")
        await browser.evaluate("document.getElementById('showStreams').click()")
        for place in ("#connections", "#protocols", "#events"):
            await browser.until(f"{text(place)}.includes({json.dumps(HOSTILE)})")
        self.assertEqual(
            await browser.evaluate("document.querySelectorAll('img, script').length"), 1
        )
        self.assertEqual(browser.complaints, [])
        self.assertEqual(
            browser.requested, [f"{self.origin}/", f"{self.origin}/events"]
        )

    async def test_phone(self) -> None:
        """
        On a phone nothing sticks out at the side; and where dark pages are
        preferred, it is dark.
        """
        await self.talk(await self.start(agent="lantern/2.1"), 2)
        browser = self.browser
        await browser.open(f"{self.origin}/", 390, 844, "dark")
        await browser.until("document.querySelectorAll('#events li').length > 2")
        self.assertLessEqual(
            await browser.evaluate("document.documentElement.scrollWidth"), 390
        )
        colour = await browser.evaluate("getComputedStyle(document.body).color")
        self.assertGreater(min(map(int, colour[4:-1].split(","))), 200)
        await self.keep("phone")

    async def test_gone(self) -> None:
        """
        When the node has stopped, the page tells.
        """
        await self.browser.open(f"{self.origin}/", 800, 600, "light")
        await self.browser.until(f"{text('#live')} === 'live'")
        await self.node.stopService()
        await self.browser.until(f"{text('#live')} === 'no answer from the node'")

    async def keep(self, name: str) -> None:
        """
        Store a screenshot where C{LIBP2P_SCREENSHOTS} wants it.
        """
        image = b64decode(await self.browser.screenshot())
        self.assertTrue(image.startswith(b"\x89PNG"))
        folder = os.environ.get("LIBP2P_SCREENSHOTS")
        if folder is not None:
            Path(folder, f"status-{name}.png").write_bytes(image)
