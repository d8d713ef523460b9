# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A visit of Firefox to the page of C{examples/browser}, in a network of its own: the
browser reaches nobody else.

It runs in namespaces::

    unshare --user --map-root-user --net python -m tests.interop.visit FOLDER COMMAND

COMMAND is a list of JSON: the program that serves the page, with the node's address.
The last line of the output is an object of JSON: what the page has shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.interop.firefox import Firefox
from tests.interop.neighbours import NETWORK
from tests.processes import ROOT, Program

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
    names = ("state", "peer", "agent", "answer")
    return {each: await browser.evaluate(_text(each)) for each in names}


async def visit(folder: Path, command: list[str]) -> None:
    """
    Serve the page, open it, and print what it shows.
    """
    for each in NETWORK:
        subprocess.run(each.split(), check=True)
    server, browser = Program(), Firefox()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reactor.spawnProcess(server, command[0], command, environment, str(folder))
    try:
        url = await server.says(r"(http://\S+)")
        version = await browser.start(folder / "profile")
        shown = await look(browser, url)
        print(json.dumps({"version": version, "url": url, **shown}), flush=True)
    finally:
        await browser.stop()
        await server.stop()


def main(folder: str, command: str) -> None:
    """
    Run from the command line.
    """
    react(
        lambda reactor: Deferred.fromCoroutine(visit(Path(folder), json.loads(command)))
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
