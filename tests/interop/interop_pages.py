# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a peer in a browser does with a node: js-libp2p in Chromium, over each transport
that needs no certificate of an authority.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.server import Site
from twisted.web.static import File

from tests.interop.matrix import MIB
from tests.interop.ours import Watch, serve
from tests.needs import skipWithout
from tests.status.chromium import LOOPBACK, Chromium, findChromium
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.webrtc.native import installed

Command = Callable[[str], list[str]]

HOST = "127.0.0.1"

#: The addresses to listen on, by the names of the transports.
LISTEN = {
    "aioquic": f"/ip4/{HOST}/udp/0/quic-v1/webtransport",
    "native": f"/ip4/{HOST}/udp/0/quic-v1/webtransport",
    "webrtc": f"/ip4/{HOST}/udp/0/webrtc-direct",
    "ws": f"/ip4/{HOST}/tcp/0/ws",
}

STREAMS = 60
HALVES = 20_000


def nodeOf(kind: str) -> Node:
    """
    Make a node with one transport, or skip the test without what it needs.
    """
    if kind in ("native", "webrtc") and not installed():
        skipWithout("native", "twisted-libp2p-native is not installed: make native")
    transports: dict[str, str | QuicProvider] = {
        "aioquic": QuicProvider("aioquic"),
        "native": QuicProvider("native"),
        "webrtc": "webrtc-direct",
    }
    node = Node(reactor, listen=[LISTEN[kind]], transports=[transports.get(kind, kind)])
    serve(node)
    return node


@asynccontextmanager
async def opened(build: Path, folder: Path, *flags: str) -> AsyncIterator[Chromium]:
    """
    Serve the page of the tasks, and open it in a browser.
    """
    findChromium()
    site = TCP4ServerEndpoint(reactor, 0, interface=HOST)
    port = await site.listen(Site(File(str(build))))
    browser = Chromium()
    try:
        browser.start(folder / "profile", LOOPBACK, *flags)
        try:
            url = f"http://{HOST}:{port.getHost().port}/tasks.html"
            await browser.open(url, 400, 400, "light")
            await browser.until("document.documentElement.dataset.ready")
            yield browser
        finally:
            await browser.stop()
    finally:
        await port.stopListening()


async def dial(browser: Chromium, name: str, node: Node) -> None:
    """
    Dial a node from the page, which then has the connection by a name.
    """
    (address,) = await node.whenListening()
    call = f"Tasks.dial({json.dumps(str(address))})"
    await browser.evaluate(f"{call}.then(tasks => {{ globalThis.{name} = tasks }})")


@pytest.mark.parametrize("kind", sorted(LISTEN))
@pytest_twisted.ensureDeferred
async def test_tasks(command: Command, tmp_path: Path, kind: str) -> None:
    """
    Both identify the other, bytes go both ways, many streams are open at once, and the
    node opens one; then the page closes a connection, and the node another.
    """
    node = nodeOf(kind)
    build = Path(command("browser")[-1]).parent / "build"
    watch = Watch(node)
    node.startService()
    try:
        async with opened(build, tmp_path) as browser:
            await dial(browser, "first", node)
            (first,) = watch.seen(OpenedConn)
            peers = [str(node.peerID), str(first.connection.remotePeer)]
            assert await browser.evaluate("first.peers") == peers
            assert first.security == "/noise"
            agent = await browser.evaluate("first.agent()")
            assert agent.startswith("twisted_libp2p/")
            told = await node.identify(first.connection.remotePeer)
            assert "js-libp2p" in told.agent
            assert await browser.evaluate("first.ping()") < 10_000
            await browser.evaluate(f"first.echo({16 * MIB})")
            await browser.evaluate(f"first.many({STREAMS}, {HALVES})")
            assert await browser.evaluate("first.back()") == "ok"
            await browser.evaluate("first.close()")
            await watch.closed(first)

            await dial(browser, "second", node)
            _, second = watch.seen(OpenedConn)
            assert await browser.evaluate("second.back()") == "ok"
            await second.connection.close()
            assert await browser.evaluate("second.closed")
            await watch.closed(second)
            assert browser.complaints == []
    finally:
        await node.stopService()
    watch.balanced()
