# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p forward}: a port of this machine that is a protocol of a peer.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.tools.reaching import reach, reaching
from twisted_libp2p.tools.stdio import joinStandard
from twisted_libp2p.tunnel.tunnel import Tunnel

__all__ = ["forward"]


async def forward(reactor: Any, options: Any) -> None:
    """
    Forward connections until the tool is interrupted, or stdin and stdout until both
    have ended.
    """
    async with reaching(reactor, options) as node:
        if options["local"] is None:
            connection = await reach(reactor, options, node)
            await joinStandard(
                reactor, connection, options["protocol"], options.traffic(reactor)
            )
            return
        tunnel = Tunnel(
            reactor,
            options["local"],
            options["address"],
            options["protocol"],
            traffic=options.traffic(reactor),
        )
        node.add(tunnel)
        port = await tunnel.whenListening()
        _say(f"{_place(port.getHost())} is {tunnel.protocol} of {tunnel.peer}")
        view = _View(reactor, tunnel)
        try:
            await reach(reactor, options, node)
        except Libp2pError as error:
            _say(f"{error}; trying again")
        try:
            await Deferred()
        finally:
            view.close()


class _View:
    """
    Shows the state of a tunnel on stderr: a line for each change, and on a terminal a
    line with the present rates.
    """

    def __init__(self, reactor: Any, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._state = ""
        self._before = 0, 0
        self._loop = LoopingCall(self._rates)
        self._loop.clock = reactor
        self._terminal = sys.stderr.isatty()
        if self._terminal:
            self._loop.start(1.0, now=False)
        self._subscriptions = [
            tunnel.host.events.subscribe(kind, self._changed, tunnel.concerns)
            for kind in (OpenedConn, ClosedConn)
        ]
        self._changed(None)

    def _changed(self, event: object) -> None:
        """
        Show the state, if it has changed.
        """
        state = self._tunnel.state
        if state != self._state:
            self._state = state
            _say(f"{self._clear()}{self._tunnel.peer} is {_STATES[state]}")

    def close(self) -> None:
        """
        Show the totals, and nothing after them.
        """
        for each in self._subscriptions:
            each.cancel()
        if self._loop.running:
            self._loop.stop()
        traffic = self._tunnel.traffic
        _say(
            f"{self._clear()}{traffic.opened} connections, {traffic.received} bytes"
            f" sent, {traffic.sent} received"
        )

    def _clear(self) -> str:
        """
        Return the escape sequence that clears the line with the rates.
        """
        return "\r\x1b[K" if self._terminal else ""

    def _rates(self) -> None:
        traffic = self._tunnel.traffic
        now = traffic.received, traffic.sent
        sent, received = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        line = (
            f"{self._clear()}{traffic.open} open, {sent / 1000:.1f} kB/s sent,"
            f" {received / 1000:.1f} kB/s received"
        )
        print(line, end="", file=sys.stderr, flush=True)


_STATES = {
    "away": "not connected",
    "relayed": "connected through a relay",
    "direct": "connected directly",
}


def _place(address: Any) -> str:
    """
    Return the address of a port as users write it.
    """
    if isinstance(address, IPv4Address | IPv6Address):
        return f"{address.host}:{address.port}"
    return str(address)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
