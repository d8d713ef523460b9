# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Be one of our programs that are measured::

    python -m benchmarks.peers {ours,raw,tls} bench listen [options]
    python -m benchmarks.peers {ours,raw,tls} bench dial TARGET [options]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet import task
from twisted.internet.stdio import StandardIO
from twisted.logger import LogLevel

from benchmarks.peers.orders import Orders, tell
from benchmarks.peers.ours import OurDialer, OurListener
from benchmarks.peers.plain import PlainDialer, PlainListener
from twisted_libp2p.logger import setLevels


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    Read what to be.
    """
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--transport", default="tcp", choices=("tcp", "ws", "quic"))
    options.add_argument("--security", default="noise")
    options.add_argument("--muxer", default="yamux")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--crowd", type=int)
    parser = argparse.ArgumentParser("benchmarks.peers", allow_abbrev=False)
    parser.add_argument("peer", choices=("ours", "raw", "tls"))
    parser.add_argument("bench", choices=("bench",))
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("listen", parents=[options])
    roles.add_parser("dial", parents=[options]).add_argument("target")
    return parser.parse_args(argv)


async def listen(reactor: Any, chosen: argparse.Namespace) -> None:
    """
    Say where we listen, and serve until the standard input ends.
    """
    listener = (
        OurListener(
            reactor,
            chosen.host,
            chosen.transport,
            chosen.security,
            chosen.muxer,
            chosen.crowd,
        )
        if chosen.peer == "ours"
        else PlainListener(reactor, chosen.host, chosen.peer == "tls")
    )
    tell({**await listener.start(), "pid": os.getpid()})
    await _untilDone(Orders({}))


async def dial(reactor: Any, chosen: argparse.Namespace) -> None:
    """
    Do what the standard input says until it ends.
    """
    dialer = (
        OurDialer(reactor, chosen.target, chosen.security, chosen.muxer, chosen.crowd)
        if chosen.peer == "ours"
        else PlainDialer(reactor, chosen.target, chosen.peer == "tls")
    )
    await _untilDone(Orders(dialer.works))


async def _untilDone(orders: Orders) -> None:
    StandardIO(orders)
    await orders.ended


def main(argv: Sequence[str]) -> None:
    """
    Be it.
    """
    chosen = parse(argv)
    # As twist does by default.
    setLevels({"": LogLevel.info})
    task.react(listen if chosen.role == "listen" else dial, [chosen])


if __name__ == "__main__":
    main(sys.argv[1:])
