# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{python -m benchmarks.browser}: a page in Chromium dials nodes of ours and of
go-libp2p, and has bytes echoed.

Both serve the same page with the same bytes.  In each round all nodes are measured, in
the next round in the opposite order, so a disturbance of the machine affects all of
them.  C{--write docs/browser-figures.inc} makes the table of the manual.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.publish import machine
from tests.interop.matrix import MIB
from tests.interop.pages import served
from tests.interop.peers.build import build
from tests.processes import TWIST, Program
from tests.status.chromium import LOOPBACK, Chromium

__all__ = ["main"]

_HOST = "127.0.0.1"

#: The addresses to listen on, and the names that go's peer has for the transports.
_TRANSPORTS = {
    "WebTransport": ("udp/0/quic-v1/webtransport", "webtransport"),
    "WebRTC-direct": ("udp/0/webrtc-direct", "webrtc-direct"),
    "ws": ("tcp/0/ws", "ws"),
}

#: The measured nodes: the transport, and who serves it.
_ROWS = (
    ("WebTransport", "ours, native"),
    ("WebTransport", "ours, aioquic"),
    ("WebTransport", "go"),
    ("WebRTC-direct", "ours"),
    ("WebRTC-direct", "go"),
    ("ws", "ours"),
    ("ws", "go"),
)

_Row = tuple[str, str]


def _command(row: _Row) -> list[str]:
    """
    Return the command that serves a row.
    """
    transport, server = row
    path, name = _TRANSPORTS[transport]
    if server == "go":
        return [*build("go"), "listen", "--transport", name]
    _, _, backend = server.partition(", ")
    options = ["--quic-backend", backend] if backend else []
    listen = ["--listen", f"/ip4/{_HOST}/{path}", "--echo", *options]
    return [sys.executable, *TWIST, "--log-format=text", "libp2p", *listen]


async def _measure(
    browser: Chromium, address: str, dials: int, size: int
) -> tuple[list[float], float]:
    """
    Measure one node in one round.

    @return: the milliseconds of each dial, and the MB of an echo in a second.
    """

    async def once(amount: int) -> Any:
        call = f"Tasks.measure({json.dumps(address)}, {amount})"
        return await browser.evaluate(call)

    times = [(await once(1))["dial"] for _ in range(dials)]
    return times, size / 1000 / (await once(size))["echo"]


async def _rounds(
    browser: Chromium, addresses: Mapping[_Row, str], options: argparse.Namespace
) -> list[str]:
    """
    Measure all nodes in all rounds.

    @return: the rows of a table.
    """
    dials: dict[_Row, list[float]] = {each: [] for each in addresses}
    rates: dict[_Row, list[float]] = {each: [] for each in addresses}
    # The first round warms up, and is not counted.
    for number in range(options.rounds + 1):
        order = list(addresses)[:: 1 if number % 2 else -1]
        for row in order:
            times, rate = await _measure(
                browser, addresses[row], options.dials, options.mib * MIB
            )
            print(number, *row, f"{median(times):.1f} ms, {rate:.1f} MB/s", flush=True)
            if number:
                dials[row] += times
                rates[row].append(rate)
    return [
        f'"{row[0]}", "{row[1]}", "{_range(dials[row])}", "{_range(rates[row])}"'
        for row in addresses
    ]


def _range(values: list[float]) -> str:
    """
    Describe figures: the median, the least and the greatest.
    """
    return f"{median(values):.1f} [{min(values):.1f}-{max(values):.1f}]"


def _table(rows: Sequence[str], load: str) -> Iterator[str]:
    """
    Write the table of the manual.
    """
    yield f"Machine: {'; '.join(machine())}; {load}."
    yield ""
    yield ".. csv-table::"
    yield '   :header: "transport", "node", "dial in ms", "echo in MB/s"'
    yield "   :widths: 22 22 28 28"
    yield ""
    for each in rows:
        yield f"   {each}"


async def run(options: argparse.Namespace) -> None:
    """
    Start the nodes and the browser, measure, and print the table.
    """
    folder = Path(tempfile.mkdtemp())
    page = Path(build("browser")[-1]).parent / "build"
    programs: list[Program] = []
    browser = Chromium()
    began = os.getloadavg()[0]
    try:
        addresses = {}
        for row in _ROWS:
            if options.only and options.only not in f"{row[0]} {row[1]}":
                continue
            addresses[row] = await _started(_command(row), folder, programs)
        async with served(page) as url:
            browser.start(folder / "profile", LOOPBACK)
            await browser.open(url, 400, 400, "light")
            await browser.until("document.documentElement.dataset.ready")
            rows = await _rounds(browser, addresses, options)
    finally:
        await browser.stop()
        for each in programs:
            await each.stop("KILL")
    load = f"load {began:.1f} at the beginning, {os.getloadavg()[0]:.1f} at the end"
    text = "\n".join(_table(rows, load)) + "\n"
    print(text)
    if options.write is not None:
        options.write.write_text(text)


async def _started(
    command: Sequence[str], folder: Path, programs: list[Program]
) -> str:
    """
    Start a node.

    @return: its address.
    """
    program = Program()
    programs.append(program)
    reactor.spawnProcess(
        program,
        command[0],
        command,
        os.environ,
        str(folder),
        childFDs={0: "w", 1: "r", 2: "r"},
    )
    return await program.says(rf"(/ip4/{re.escape(_HOST)}/[^\s\"]+/p2p/\w+)")


def main(arguments: Sequence[str]) -> None:
    """
    Run from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dials", type=int, default=10, help="of each round")
    parser.add_argument("--mib", type=int, default=16, help="of an echo")
    parser.add_argument("--only", help="rows with this text")
    parser.add_argument("--write", type=Path, help="a file for the table")
    options = parser.parse_args(arguments)
    react(lambda reactor: Deferred.fromCoroutine(run(options)))


if __name__ == "__main__":
    main(sys.argv[1:])
