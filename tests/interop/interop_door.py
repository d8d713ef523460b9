# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Programs of others at the door of a node: curl in all its ways, and Chromium.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.static import Data

from tests.interop.network import Command, Network
from tests.needs import skipWithout
from tests.processes import outputOf
from tests.status.chromium import Chromium, findChromium
from twisted_libp2p.tunnel.door.places import Places
from twisted_libp2p.tunnel.door.service import Door
from twisted_libp2p.web import WebService

PAGE = b"<title>home</title><p>hello"


@asynccontextmanager
async def opened(command: Command) -> AsyncIterator[tuple[int, str]]:
    """
    Serve a page, and open a door to it under the name C{home.p2p}.

    @return: the port of the door, and the peer id that serves the page.
    """
    net = Network(command)
    try:
        site = Resource()
        site.putChild(b"", Data(PAGE, "text/html"))
        home = await net.node(WebService(site))
        known = {"home": (home.peerID, home.addresses)}
        door = Door(reactor, "tcp:0", Places(known.get))
        await net.node(door)
        place: Any = (await door.whenListening()).getHost()
        yield place.port, str(home.peerID)
    finally:
        await net.stop()


async def curl(*arguments: str) -> tuple[bytes, int]:
    """
    Run curl.

    @return: its output, and its exit code.
    """
    path = shutil.which("curl")
    if path is None:
        skipWithout("curl", "curl is not installed: apt-get install curl")
    out, _, code = await outputOf(
        path, "-q", "--silent", "--max-time", "60", *arguments
    )
    return out, code


@pytest.mark.parametrize(
    "way",
    [
        ["--socks5-hostname"],
        ["--proxy"],
        ["--proxytunnel", "--proxy"],
    ],
    ids=" ".join,
)
@pytest_twisted.ensureDeferred
async def test_curl(command: Command, way: Sequence[str]) -> None:
    """
    curl opens the page by name and by peer id, and no other host.
    """
    async with opened(command) as (port, peer):
        door = [*way, f"127.0.0.1:{port}"]
        for host in ("home.p2p", f"{peer}.p2p", peer):
            assert await curl(*door, f"http://{host}/") == (PAGE, 0)
        out, code = await curl(*door, "--fail", "http://example.com/")
        assert (out, code > 0) == (b"", True)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
@pytest_twisted.ensureDeferred
async def test_browser(command: Command, tmp_path: Path, scheme: str) -> None:
    """
    A browser opens the page.
    """
    findChromium()
    browser = Chromium()
    async with opened(command) as (port, _):
        browser.start(tmp_path, f"--proxy-server={scheme}://127.0.0.1:{port}")
        try:
            await browser.open("http://home.p2p/", 400, 400, "light")
            assert await browser.evaluate("document.body.innerText") == "hello"
        finally:
            await browser.stop()
