# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The page of C{examples/browser} in Firefox ESR, and the tasks of C{interop_pages}:
js-libp2p over Firefox's own WebTransport, WebRTC and WebSocket.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest_twisted

from tests.interop.firefox import findFirefox
from tests.interop.interop_browser import WAYS, chain, receiving, twist
from tests.interop.neighbours import HOST
from tests.interop.pages import CERTIFIED, LISTEN, isThere
from tests.needs import skipWithout
from tests.processes import outputOf
from tests.transport.websocket.authority import Authority
from tests.tun import NAMESPACE, missing

Command = Callable[[str], list[str]]

#: The names that the page has for the transports.
CARRIERS = {
    "aioquic": "WebTransport",
    "webrtc": "WebRTC",
    "ws": "WebSocket",
    "wss": "a secure WebSocket",
}


async def visit(folder: Path, work: str, *arguments: str) -> list[dict[str, str]]:
    """
    Let Firefox do some work in a network of its own.

    @return: for each kind of node, the texts that the page has shown.
    """
    findFirefox()
    reason = missing()
    if reason is not None:
        skipWithout("lab", reason)
    program = [*NAMESPACE, sys.executable, "-m", "tests.interop.visit"]
    output, errors, status = await outputOf(*program, str(folder), work, *arguments)
    assert status == 0, errors.decode()
    shown = json.loads(output.splitlines()[-1])
    assert isinstance(shown, list)
    return shown


def here(kinds: Iterable[str]) -> list[str]:
    """
    Return the kinds of nodes that there are on this machine.
    """
    return [each for each in kinds if isThere(each)]


@pytest_twisted.ensureDeferred
async def test_page(command: Command, tmp_path: Path) -> None:
    """
    The page dials a node, learns who it is, pings it, and fetches a page from its web
    server, over each transport.
    """
    certificate = chain(Authority(tmp_path / "authority"))
    kinds = here(CARRIERS)
    servings = [
        [*command("browser"), f"/ip4/{HOST}/{LISTEN[each]}", str(certificate)]
        for each in kinds
    ]
    pages = await visit(tmp_path, "page", *map(json.dumps, servings))
    for kind, shown in zip(kinds, pages, strict=True):
        assert shown["state"] == f"Connected by {CARRIERS[kind]}."
        assert shown["peer"] == shown["url"].rpartition("/")[2]
        assert shown["agent"].startswith("twisted_libp2p/")
        assert shown["answer"].startswith("200 OK, text/html")


@pytest_twisted.ensureDeferred
async def test_files(command: Command, tmp_path: Path) -> None:
    """
    Files that a person chooses arrive in the folder of the node, over each transport.
    """
    works = []
    for each in here(WAYS):
        inbox = tmp_path / each
        inbox.mkdir()
        arguments = receiving(inbox, HOST, each)
        works.append([str(inbox), *twist(command("browser")), *arguments])
    await visit(tmp_path, "files", *map(json.dumps, works))


@pytest_twisted.ensureDeferred
async def test_tasks(command: Command, tmp_path: Path) -> None:
    """
    Firefox does the tasks of Chromium, over each transport.
    """
    build = Path(command("browser")[-1]).parent / "build"
    await visit(tmp_path, "tasks", str(build), *here(LISTEN))


@pytest_twisted.ensureDeferred
async def test_rollover(command: Command, tmp_path: Path) -> None:
    """
    The certificates of a node change while the page is connected, as in Chromium.
    """
    build = Path(command("browser")[-1]).parent / "build"
    await visit(tmp_path, "rollover", str(build), *here(CERTIFIED))
