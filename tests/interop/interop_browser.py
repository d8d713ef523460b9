# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The page of C{examples/browser} in a real browser: js-libp2p over Chromium's own
WebSocket.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_twisted
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from twisted.internet import reactor

from tests.needs import skipWithout
from tests.processes import ROOT, Program
from tests.status.chromium import LOOPBACK, Chromium, findChromium
from tests.transport.websocket.authority import Authority
from twisted_libp2p.webrtc.native import installed

Command = Callable[[str], list[str]]

LISTEN = "/ip4/127.0.0.1/tcp/0"

#: The size of a phone.
PHONE = (390, 844)


def trusting(authority: Authority) -> str:
    """
    Give the flag that makes the browser believe the certificates of an authority, if a
    server sends that of the authority, too.
    """
    root = load_pem_x509_certificate(authority.roots.read_bytes())
    key = root.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    fingerprint = b64encode(sha256(key).digest()).decode()
    return f"--ignore-certificate-errors-spki-list={fingerprint}"


def chain(authority: Authority) -> Path:
    """
    Write a file with a certificate of a server, its key, and the authority's own.
    """
    path = authority.server("127.0.0.1")
    path.write_bytes(path.read_bytes() + authority.roots.read_bytes())
    return path


@asynccontextmanager
async def opened(
    command: list[str], folder: Path, arguments: list[str], flags: list[str]
) -> AsyncIterator[tuple[Chromium, str]]:
    """
    Serve the page, and open it.

    @return: the browser, and the URL of the page.
    """
    findChromium()
    server, browser = Program(), Chromium()
    argv = [*command, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reactor.spawnProcess(server, argv[0], argv, environment, str(folder))
    try:
        url = await server.says(r"(http://\S+)")
        browser.start(folder / "profile", *flags)
        try:
            await browser.open(url, *PHONE, "light")
            yield browser, url
        finally:
            await browser.stop()
    finally:
        await server.stop()


def text(name: str) -> str:
    """
    Give the expression of the text of an element.
    """
    return f"document.getElementById({json.dumps(name)}).innerText"


async def keep(browser: Chromium, scheme: str) -> None:
    """
    Check that nothing is wider than the screen, and store a picture of the whole page
    where C{LIBP2P_SCREENSHOTS} wants it.
    """
    width, _ = PHONE
    height = await browser.evaluate("document.documentElement.scrollHeight")
    await browser.look(width, height, scheme)
    assert await browser.evaluate(
        "document.documentElement.scrollWidth <= window.innerWidth"
    )
    folder = os.environ.get("LIBP2P_SCREENSHOTS")
    if folder is not None:
        image = b64decode(await browser.screenshot())
        (Path(folder) / f"browser-{scheme}.png").write_bytes(image)


@pytest.mark.parametrize("kind", ["ws", "tls/ws"])
@pytest_twisted.ensureDeferred
async def test_page(command: Command, tmp_path: Path, kind: str) -> None:
    """
    The page dials a node, pings it, and fetches a page from its web server.  It asks
    nobody else for anything.
    """
    arguments, flags = [f"{LISTEN}/{kind}"], []
    if kind == "tls/ws":
        authority = Authority(tmp_path / "authority")
        arguments.append(str(chain(authority)))
        flags.append(trusting(authority))
    async with opened(command("browser"), tmp_path, arguments, flags) as (browser, url):
        await browser.until(f"{text('state')}.startsWith('Connected')")
        secure = "secure" in await browser.evaluate(text("state"))
        assert secure is (kind == "tls/ws")
        assert await browser.evaluate(text("peer")) == url.rpartition("/")[2]
        assert await browser.evaluate(text("security")) == "/noise"
        assert await browser.evaluate(text("muxer")) == "/yamux/1.0.0"
        await browser.until(f"{text('agent')}.startsWith('twisted_libp2p/')")

        await browser.evaluate("document.getElementById('ping').click()")
        await browser.until(f"{text('times')}.split(' ms').length === 4")

        fetch = "document.querySelector('#fetch button').click()"
        await browser.evaluate(fetch)
        await browser.until(f"{text('answer')}.startsWith('200 OK, text/html')")
        shown = await browser.evaluate("document.getElementById('page').srcdoc")
        assert "<h1>Hello, browser</h1>" in shown
        for scheme in ("light", "dark"):
            await keep(browser, scheme)

        await browser.evaluate("document.getElementById('path').value = '/missing'")
        await browser.evaluate(fetch)
        await browser.until(f"{text('answer')}.startsWith('404 ')")

        assert browser.complaints == []
        origin = url.partition("#")[0]
        files = [each for each in browser.requested if each.startswith("http")]
        assert files == [origin, f"{origin}page.css", f"{origin}page.js"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("quic-v1/webtransport", "WebTransport"), ("webrtc-direct", "WebRTC")],
)
@pytest_twisted.ensureDeferred
async def test_certhash(command: Command, tmp_path: Path, path: str, name: str) -> None:
    """
    The page dials a node by the hash of its certificate.  On one connection it pings,
    and fetches a page; and the node asks it who it is.
    """
    if name == "WebRTC" and not installed():
        skipWithout("native", "twisted-libp2p-native is not installed: make native")
    arguments, flags = [f"/ip4/127.0.0.1/udp/0/{path}"], [LOOPBACK]
    async with opened(command("browser"), tmp_path, arguments, flags) as (browser, url):
        await browser.until(f"{text('state')} === 'Connected by {name}.'")
        assert await browser.evaluate(text("peer")) == url.rpartition("/")[2]
        await browser.until(f"{text('agent')}.startsWith('twisted_libp2p/')")
        await browser.evaluate("document.getElementById('ping').click()")
        await browser.until(f"{text('times')}.split(' ms').length === 4")
        await browser.evaluate("document.querySelector('#fetch button').click()")
        await browser.until(f"{text('answer')}.startsWith('200 OK, text/html')")
        assert browser.complaints == []


@pytest_twisted.ensureDeferred
async def test_stranger(command: Command, tmp_path: Path) -> None:
    """
    A node whose certificate is from an authority that the browser does not trust is
    refused by the browser, and the page says so.
    """
    authority = Authority(tmp_path / "authority")
    other = Authority(tmp_path / "other")
    arguments = [f"{LISTEN}/tls/ws", str(chain(authority))]
    async with opened(command("browser"), tmp_path, arguments, [trusting(other)]) as (
        browser,
        _,
    ):
        await browser.until("document.querySelector('#state.bad')")
        assert "ERR_CERT_AUTHORITY_INVALID" in str(browser.complaints)
        assert await browser.evaluate("document.getElementById('facts').hidden")
