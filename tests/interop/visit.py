# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Firefox in a network of its own, where the browser reaches nobody but the node.

It runs in namespaces::

    unshare --user --map-root-user --net python -m tests.interop.visit FOLDER WORK ...

The work is C{page} with commands that serve the page of C{examples/browser}, lists of
JSON; or C{tasks} or C{rollover} with the folder of the built page, and the kinds of the
nodes.  The last line of the output is a list of JSON: the texts that the page has shown
with each command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.interop.firefox import Firefox
from tests.interop.interop_browser import PICTURES, SENDING, chain, store
from tests.interop.neighbours import HOST, NETWORK
from tests.interop.pages import rollover, served, tasks
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
    await browser.evaluate(SENDING)
    await browser.until(f"{_text('sent')}.startsWith('1000000 bytes went')")
    # A preference of the browser is changed only for the pictures of the manual.
    asked = "LIBP2P_SCREENSHOTS" in os.environ and "webtransport" in url
    wanted = PICTURES if asked else {}
    for name, (width, scheme) in wanted.items():
        await browser.look(width, 900, scheme)
        store(f"browser-firefox-{name}.png", await browser.screenshot())
    names = ("state", "peer", "agent", "answer")
    return {each: await browser.evaluate(_text(each)) for each in names}


async def page(browser: Firefox, folder: Path, command: list[str]) -> dict[str, Any]:
    """
    Serve the page with a node, and look at it.

    @param command: the program that serves it, with the address of the node.
    """
    server = Program()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reactor.spawnProcess(server, command[0], command, environment, str(folder))
    try:
        url = await server.says(r"(http://\S+)")
        return {"url": url, **await look(browser, url)}
    finally:
        await server.stop()


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
            shown = [
                await page(browser, folder, json.loads(each)) for each in arguments
            ]
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
