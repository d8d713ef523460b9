# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The page of C{examples/browser} in a real browser: js-libp2p over Chromium's own
WebSocket.
"""

from __future__ import annotations

import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from socket import SOCK_STREAM, socket

import pytest
import pytest_twisted
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from tests.interop.pages import LISTEN as LISTENING
from tests.interop.pages import isThere
from tests.interop.sending import LIMIT, SENT, choosing, sendFiles
from tests.needs import skipWithout
from tests.processes import ROOT, TWIST, Program
from tests.status.chromium import LOOPBACK, Chromium, findChromium
from tests.transport.websocket.authority import Authority
from twisted_libp2p.identity import Identity
from twisted_libp2p.webrtc.native import installed

Command = Callable[[str], list[str]]

LISTEN = "/ip4/127.0.0.1/tcp/0"

#: The size of a phone.
PHONE = (390, 844)

#: The pictures of the manual: the width of the window, and the colors.
PICTURES = {"phone": (390, "light"), "wide": (900, "dark")}


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


def store(name: str, picture: str) -> None:
    """
    Store a picture where C{LIBP2P_SCREENSHOTS} wants it.

    @param picture: a PNG in Base64.
    """
    folder = os.environ.get("LIBP2P_SCREENSHOTS")
    if folder is not None:
        (Path(folder) / name).write_bytes(b64decode(picture))


async def keep(browser: Chromium, name: str) -> None:
    """
    Check that nothing is wider than the screen, and store a picture of the whole page
    where C{LIBP2P_SCREENSHOTS} wants it.
    """
    width, scheme = PICTURES[name]
    await browser.look(width, PHONE[1], scheme)
    height = await browser.evaluate("document.documentElement.scrollHeight")
    await browser.look(width, height, scheme)
    assert await browser.evaluate(
        "document.documentElement.scrollWidth <= window.innerWidth"
    )
    store(f"browser-chromium-{name}.png", await browser.screenshot())


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


SITE = b"""<!doctype html><h1>A site behind the node</h1>"""


def twist(command: list[str], *arguments: str) -> list[str]:
    """
    Return the command of a node that serves the page.
    """
    files = str(Path(command[-1]).parent / "build")
    page = ["--page", "tcp:0", "--page-files", files]
    return [
        sys.executable,
        *TWIST,
        "--log-format=text",
        "libp2p",
        *page,
        *arguments,
    ]


#: The kinds of nodes that receive files of pages.
WAYS = ("native", "webrtc", "ws")


def receiving(inbox: Path, host: str, kind: str) -> list[str]:
    """
    Return the arguments of a node of a kind that receives files.
    """
    return [
        *("--receive", str(inbox), "--receive-size", str(LIMIT)),
        *("--listen", f"/ip4/{host}/{LISTENING[kind]}"),
    ]


async def dialed(browser: Chromium, address: str) -> str:
    """
    Dial an address that is put into the field.

    @return: what the page says then.
    """
    await browser.evaluate(
        f"document.getElementById('address').value = {json.dumps(address)};"
        "document.querySelector('#dial button:not([type])').click()"
    )
    await browser.until("document.querySelector('#state.good, #state.bad')")
    said = await browser.evaluate(text("state"))
    assert isinstance(said, str)
    return said


@pytest_twisted.ensureDeferred
async def test_served(command: Command, tmp_path: Path) -> None:
    """
    A node serves the page, which gets the addresses from it, dials by the best way at
    once, and by others when their buttons are pressed.  It fetches from a web server
    behind the node, and sends a file.
    """
    root = Resource()
    root.putChild(b"", Data(SITE, "text/html"))
    site = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await site.listen(Site(root))
    behind = f"/http/1.1=tcp:127.0.0.1:{port.getHost().port}"
    web = f"{LISTEN.replace('tcp', 'udp')}/quic-v1/webtransport"
    serving = twist(command("browser"), "--receive", str(tmp_path), "--serve", behind)
    try:
        listen = [f"{LISTEN}/ws", web]
        if installed():
            listen.append(f"{LISTEN.replace('tcp', 'udp')}/webrtc-direct")
        arguments = [each for address in listen for each in ("--listen", address)]
        async with opened(serving, tmp_path, arguments, []) as (browser, _):
            await browser.until(f"{text('state')} === 'Connected by WebTransport.'")
            for way, carrier in (("at(-1)", "WebSocket"), ("at(0)", "WebTransport")):
                button = f"[...document.querySelectorAll('.way')].{way}"
                await browser.evaluate(f"{button}.click()")
                await browser.until(f"{text('state')} === 'Connected by {carrier}.'")
                assert await browser.evaluate(f"{button}.ariaPressed") == "true"
            await browser.until("!document.getElementById('send').hidden")
            await browser.evaluate("document.querySelector('#fetch button').click()")
            await browser.until(f"{text('answer')}.startsWith('200 OK, text/html')")
            await browser.evaluate(choosing(1_000_000, "photo.jpg"))
            await browser.until(f"{SENT}.startsWith('The node has stored photo.jpg')")
            await browser.evaluate("document.getElementById('ping').click()")
            await browser.until(f"{text('times')}.split(' ms').length === 4")
            for name in PICTURES:
                await keep(browser, name)
            assert browser.complaints == []
    finally:
        await port.stopListening()


@pytest.mark.parametrize("kind", sorted(WAYS))
@pytest_twisted.ensureDeferred
async def test_files(command: Command, tmp_path: Path, kind: str) -> None:
    """
    Files that a person chooses arrive in the folder of the node, over each transport.
    """
    if not isThere(kind):
        pytest.skip("twisted-libp2p-native is not installed: make native")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    serving = [*twist(command("browser")), *receiving(inbox, "127.0.0.1", kind)]
    async with opened(serving, tmp_path, [], [LOOPBACK]) as (browser, url):

        async def reload() -> None:
            await browser.open(url, *PHONE, "light")

        await sendFiles(browser, inbox, reload)
        assert browser.complaints == []


@pytest_twisted.ensureDeferred
async def test_errors(command: Command, tmp_path: Path) -> None:
    """
    For each address that cannot be dialed, the page says in one line what would be
    right.  If the address is an old one of the node that serves the page, the present
    one is in the field then.
    """
    web = f"{LISTEN.replace('tcp', 'udp')}/quic-v1/webtransport"
    serving = twist(command("browser"))
    arguments = ["--listen", f"{LISTEN}/ws", "--listen", web]
    other = f"/p2p/{Identity.generate().peerID}"
    with socket(type=SOCK_STREAM) as closed:
        # Bound, and not listened on.
        closed.bind(("127.0.0.1", 0))
        nowhere = f"/ip4/127.0.0.1/tcp/{closed.getsockname()[1]}"
        async with opened(serving, tmp_path, arguments, []) as (browser, _):
            await browser.until(f"{text('state')} === 'Connected by WebTransport.'")
            address = await browser.evaluate("document.getElementById('address').value")
            place, _, rest = address.partition("/certhash/")
            peer = rest[rest.index("/p2p/") :]
            hashes = rest.partition("/p2p/")[0]
            old = f"{place}/certhash/uEi{'A' * 43}"
            for wrong, line in (
                ("hello", "This is not the address of a node. One looks like /ip4/"),
                (nowhere + other, "Browsers cannot dial this address: let the node"),
                (place + peer, "The address lacks /certhash/…, which names"),
                (f"{nowhere}/ws{other}", "No node answers there. Start the node"),
                (old + other, "No node answers there with this certificate."),
                (
                    f"{place}/certhash/{hashes}{other}",
                    "Another peer",
                ),
                (old + peer, "This address is an old one."),
            ):
                said = await dialed(browser, wrong)
                assert said.startswith(line), (wrong, said)
                assert "\n" not in said
            field = await browser.evaluate("document.getElementById('address').value")
            assert field == address
            assert await dialed(browser, field) == "Connected by WebTransport."


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
