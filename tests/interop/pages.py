# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tasks that a page does with a node, in any browser: they are those of
C{peers/browser/tasks.mjs}.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.server import Site
from twisted.web.static import File

from tests.interop.matrix import MIB
from tests.interop.ours import Watch, serve
from tests.interop.rolling import RollingCertificates
from tests.needs import isRequired
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import ITransportProvider
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.transport.websocket.transport import SecureWebSockets
from twisted_libp2p.webrtc.native import installed

__all__ = ["CERTIFIED", "LISTEN", "Page", "isThere", "rollover", "served", "tasks"]

#: The addresses to listen on, by the kinds of nodes.
LISTEN = {
    "aioquic": "udp/0/quic-v1/webtransport",
    "native": "udp/0/quic-v1/webtransport",
    "webrtc": "udp/0/webrtc-direct",
    "ws": "tcp/0/ws",
    "wss": "tcp/0/tls/ws",
}

#: The kinds whose addresses name certificates.
CERTIFIED = ("aioquic", "native", "webrtc")

STREAMS = 60
HALVES = 20_000


class Page(Protocol):
    """
    A page in a browser.
    """

    async def evaluate(self, expression: str) -> Any:
        """
        Let the page compute something; promises are waited for.
        """


def isThere(kind: str) -> bool:
    """
    Check whether this machine can have a node of a kind.

    @raise AssertionError: it lacks the native part, which is required.
    """
    native = kind in ("native", "webrtc")
    if native and not installed() and isRequired("native"):
        raise AssertionError("twisted-libp2p-native is not installed: make native")
    return not native or installed()


@asynccontextmanager
async def served(build: Path) -> AsyncIterator[str]:
    """
    Serve the page of the tasks.

    @return: its URL.
    """
    site = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await site.listen(Site(File(str(build))))
    try:
        yield f"http://127.0.0.1:{port.getHost().port}/tasks.html"
    finally:
        await port.stopListening()


@asynccontextmanager
async def _running(
    kind: str, host: str, transport: str | ITransportProvider
) -> AsyncIterator[Node]:
    """
    Run a node with one transport, which serves the protocols of the tasks.
    """
    listen = f"/ip4/{host}/{LISTEN[kind]}"
    node = Node(reactor, listen=[listen], transports=[transport])
    serve(node)
    node.startService()
    try:
        await node.whenListening()
        yield node
    finally:
        await node.stopService()


async def tasks(page: Page, kind: str, host: str, certificate: Path) -> None:
    """
    Do all tasks with a node.

    @param certificate: the file of the certificate and its key, for C{wss}.
    """
    transports: dict[str, str | ITransportProvider] = {
        "aioquic": QuicProvider("aioquic"),
        "native": QuicProvider("native"),
        "webrtc": "webrtc-direct",
        "ws": "ws",
        "wss": SecureWebSockets(certificate=certificate),
    }
    async with _running(kind, host, transports[kind]) as node:
        watch = Watch(node)
        await _doTasks(page, node, watch)
    watch.balanced()


async def rollover(page: Page, kind: str, host: str) -> None:
    """
    Let the certificates of a node change while the page is connected.
    """
    with RollingCertificates.shortened():
        rolling = RollingCertificates(kind)
        async with _running(kind, host, rolling) as node:
            await _rollOver(page, node, rolling)


async def dial(page: Page, name: str, address: str) -> None:
    """
    Dial a node from the page, which then has the connection by a name.
    """
    call = f"Tasks.dial({json.dumps(address)})"
    await page.evaluate(f"{call}.then(tasks => {{ window.{name} = tasks }})")


async def _doTasks(page: Page, node: Node, watch: Watch) -> None:
    """
    Both identify the other, bytes go both ways, many streams are open at once, and the
    node opens one; then the page closes a connection, and the node another.
    """
    (listener,) = await node.whenListening()
    address = str(listener)
    await dial(page, "first", address)
    # The page may have its connection earlier than the node.
    first = await watch.event(OpenedConn, lambda each: True)
    peers = [str(node.peerID), str(first.connection.remotePeer)]
    assert await page.evaluate("first.peers") == peers
    assert first.security == "/noise"
    agent = await page.evaluate("first.agent()")
    assert agent.startswith("twisted_libp2p/")
    identified = await node.identify(first.connection.remotePeer)
    assert "js-libp2p" in identified.agent
    assert await page.evaluate("first.ping()") >= 0
    await page.evaluate(f"first.echo({16 * MIB})")
    await page.evaluate(f"first.many({STREAMS}, {HALVES})")
    assert await page.evaluate("first.back()") == "ok"
    await page.evaluate("first.close()")
    await watch.closed(first)

    await dial(page, "second", address)
    second = await watch.event(
        OpenedConn, lambda each: each.connection is not first.connection
    )
    assert await page.evaluate("second.back()") == "ok"
    await second.connection.close()
    assert await page.evaluate("second.closed")
    await watch.closed(second)


def _hashes(address: Multiaddr) -> list[str]:
    """
    Return the hashes of certificates that an address names, in their order.
    """
    return [str(each.value) for each in address if each.name == "certhash"]


async def _refused(page: Page, address: str) -> bool:
    """
    Dial a node that the browser must not accept.
    """
    call = f"Tasks.dial({json.dumps(address)})"
    return bool(await page.evaluate(f"{call}.then(() => false, () => true)"))


async def _rollOver(page: Page, node: Node, rolling: RollingCertificates) -> None:
    """
    The certificates of a node change while a page is connected.  The connection goes
    on; the page dials by its old address as long as that names the present certificate,
    then it is refused, and the new address works.
    """
    (listener,) = await node.whenListening()
    await dial(page, "first", str(listener))
    named, last = _hashes(listener), listener
    while named:
        rolling.roll()
        (now,) = node.addresses
        assert not set(_hashes(last)[:1]) & set(_hashes(now))
        last = now
        await page.evaluate("first.echo(100_000)")
        named = named[1:]
        if named:
            assert _hashes(now)[0] == named[0]
            await dial(page, "second", str(listener))
            await page.evaluate("second.ping()")
    assert await _refused(page, str(listener))
    await dial(page, "third", str(last))
    await page.evaluate("third.echo(100_000)")
    await page.evaluate("first.echo(100_000)")
    assert await page.evaluate("first.back()") == "ok"
