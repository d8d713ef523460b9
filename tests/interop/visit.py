# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Firefox in a network of its own, where the browser reaches nobody but the node.

It runs in namespaces::

    unshare --user --map-root-user --net python -m tests.interop.visit FOLDER WORK ...

The work is C{page} or C{files} with commands that serve the page of
C{examples/browser}, lists of JSON, for C{files} after the folder of the node; or
C{tasks} or C{rollover} with the folder of the built page, and the kinds of the nodes.
The last line of the output is a list of JSON: the texts that the page has shown with
each command of C{page}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.interop.firefox import Firefox
from tests.interop.interop_browser import PICTURES, chain, store
from tests.interop.neighbours import HOST, NETWORK
from tests.interop.pages import rollover, served, tasks
from tests.interop.sending import SENT, choosing, sendFiles
from tests.processes import ROOT, Program
from tests.transport.websocket.authority import Authority

__all__ = ["main"]


def _text(name: str) -> str:
    return f"document.getElementById({json.dumps(name)}).innerText"


async def look(browser: Firefox, url: str) -> dict[str, Any]:
    """
    Let the page dial the node, learn who it is, ping it, and fetch from it.
    """
    await browser.open(url)
    await browser.until(f"{_text('state')}.startsWith('Connected')")
    await browser.until(f"{_text('agent')}.length > 1")
    await browser.evaluate("document.getElementById('ping').click()")
    await browser.until(f"{_text('times')}.split(' ms').length === 4")
    await browser.evaluate("document.querySelector('#fetch button').click()")
    await browser.until(f"{_text('answer')}.includes('bytes')")
    await browser.evaluate(choosing(1_000_000, "photo.jpg"))
    await browser.until(f"{SENT}.startsWith('The node has stored photo.jpg')")
    # A preference of the browser is changed only for the pictures of the manual.
    asked = "LIBP2P_SCREENSHOTS" in os.environ and "webtransport" in url
    wanted = PICTURES if asked else {}
    for name, (width, scheme) in wanted.items():
        await browser.look(width, 900, scheme)
        store(f"browser-firefox-{name}.png", await browser.screenshot())
    names = ("state", "peer", "agent", "answer")
    return {each: await browser.evaluate(_text(each)) for each in names}


@asynccontextmanager
async def serving(folder: Path, command: list[str]) -> AsyncIterator[str]:
    """
    Run a program that serves the page with a node.

    @return: the URL of the page.
    """
    server = Program()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reactor.spawnProcess(server, command[0], command, environment, str(folder))
    try:
        yield await server.says(r"(http://\S+)")
    finally:
        await server.stop()


async def page(browser: Firefox, folder: Path, command: list[str]) -> dict[str, Any]:
    """
    Serve the page with a node, and look at it.

    @param command: the program that serves it, with the address of the node.
    """
    async with serving(folder, command) as url:
        return {"url": url, **await look(browser, url)}


async def files(browser: Firefox, folder: Path, inbox: str, *command: str) -> None:
    """
    Serve the page with a node, and send it files.

    @param inbox: the folder of the node for files.
    """
    async with serving(folder, [*command]) as url:
        await browser.open(url)
        await sendFiles(browser, Path(inbox), lambda: browser.open(url))


async def task(
    browser: Firefox, folder: Path, work: str, build: str, kinds: Sequence[str]
) -> None:
    """
    Open the page of the tasks, and let it do some with a node of each kind.
    """
    certificate = chain(Authority(folder / "authority"))
    async with served(Path(build)) as url:
        await browser.open(url)
        await browser.until("document.documentElement.dataset.ready")
        for kind in kinds:
            print(work, kind, file=sys.stderr)
            if work == "rollover":
                await rollover(browser, kind, HOST)
            else:
                await tasks(browser, kind, HOST, certificate)


async def visit(folder: Path, work: str, *arguments: str) -> None:
    """
    Make the network, start the browser, and print what it has shown.
    """
    for each in NETWORK:
        subprocess.run(each.split(), check=True)
    browser = Firefox()
    try:
        version = await browser.start(folder / "profile")
        print(f"Firefox {version}", file=sys.stderr)
        shown = []
        if work == "page":
            for number, each in enumerate(arguments):
                # Each node has a folder for files in its own.
                own = folder / str(number)
                own.mkdir()
                shown.append(await page(browser, own, json.loads(each)))
        elif work == "files":
            for each in arguments:
                await files(browser, folder, *json.loads(each))
        else:
            build, *kinds = arguments
            await task(browser, folder, work, build, kinds)
        print(json.dumps(shown), flush=True)
    finally:
        await browser.stop()


def main(folder: str, *arguments: str) -> None:
    """
    Run from the command line.
    """
    react(lambda reactor: Deferred.fromCoroutine(visit(Path(folder), *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
