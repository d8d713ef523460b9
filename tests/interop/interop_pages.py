# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a peer in a browser does with a node: js-libp2p in Chromium, over each transport.
C{interop_firefox} does the same in Firefox.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_twisted

from tests.interop.interop_browser import chain, trusting
from tests.interop.pages import (
    CERTIFIED,
    LISTEN,
    isThere,
    rollover,
    served,
    tasks,
)
from tests.status.chromium import LOOPBACK, Chromium, findChromium
from tests.transport.websocket.authority import Authority

Command = Callable[[str], list[str]]

HOST = "127.0.0.1"

VERSION_1 = "libp2p+webrtc+v1/"

#: Makes Chromium refuse offers whose user name of ICE was replaced.
FORBIDDING = "--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/"

#: Replaces this name as js-libp2p does, and returns the offer that is used.
OFFERING = f"""(async () => {{
    const connection = new RTCPeerConnection();
    connection.createDataChannel('');
    const offer = await connection.createOffer();
    const name = '{VERSION_1}0123456789';
    offer.sdp = offer.sdp.replace(/^(a=ice-(?:ufrag|pwd):).*$/gm, `$1${{name}}`);
    await connection.setLocalDescription(offer);
    return connection.localDescription.sdp;
}})()"""


def requireKind(kind: str) -> None:
    """
    Skip the test of a node that this machine cannot have.
    """
    if not isThere(kind):
        pytest.skip("twisted-libp2p-native is not installed: make native")


@asynccontextmanager
async def opened(
    command: Command, folder: Path, *flags: str
) -> AsyncIterator[Chromium]:
    """
    Open the page of the tasks in a browser.
    """
    findChromium()
    browser = Chromium()
    async with served(Path(command("browser")[-1]).parent / "build") as url:
        browser.start(folder / "profile", LOOPBACK, *flags)
        try:
            await browser.open(url, 400, 400, "light")
            await browser.until("document.documentElement.dataset.ready")
            yield browser
        finally:
            await browser.stop()


@pytest.mark.parametrize("kind", sorted(LISTEN))
@pytest_twisted.ensureDeferred
async def test_tasks(command: Command, tmp_path: Path, kind: str) -> None:
    """
    Both identify the other, bytes go both ways, many streams are open at once, and the
    node opens one; then the page closes a connection, and the node another.
    """
    requireKind(kind)
    authority = Authority(tmp_path / "authority")
    async with opened(command, tmp_path, trusting(authority)) as browser:
        await tasks(browser, kind, HOST, chain(authority))
        assert browser.complaints == []


@pytest_twisted.ensureDeferred
async def test_version2(command: Command, tmp_path: Path) -> None:
    """
    In a browser that forbids version 1 of WebRTC-direct, the page uses version 2.
    """
    requireKind("webrtc")
    authority = Authority(tmp_path / "authority")
    async with opened(command, tmp_path, FORBIDDING) as browser:
        assert VERSION_1 not in await browser.evaluate(OFFERING)
        await tasks(browser, "webrtc", HOST, chain(authority))
        assert browser.complaints == []


@pytest.mark.parametrize("kind", CERTIFIED)
@pytest_twisted.ensureDeferred
async def test_rollover(command: Command, tmp_path: Path, kind: str) -> None:
    """
    The certificates of a node change while the page is connected: the connection goes
    on, and an old address works as long as it names the present certificate.
    """
    requireKind(kind)
    async with opened(command, tmp_path) as browser:
        await rollover(browser, kind, HOST)
