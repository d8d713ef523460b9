# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The honest peer: it pings a hundred times a second, whether answers come or not, so
that a second without answers counts a hundred times.

It does so to the node that is attacked, and to a bystander, another node of the same
kind, which tells what is normal on this machine at the same time.
"""

from __future__ import annotations

import argparse
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.attacks.console import run
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.ping import Ping
from twisted_libp2p.transport.private import PrivateNetwork

#: Seconds between two pings.
INTERVAL = 0.01


class Witness:
    """
    Pings one peer, and takes note of how that goes.
    """

    def __init__(self, node: Node, target: str, pinger: Ping) -> None:
        self._node = node
        self._target = target
        self._pinger: Ping | None = pinger
        self._times: list[float] = []
        self._lost = self._reopened = 0

    def ping(self) -> None:
        """
        Ping once more.
        """
        pinger = self._pinger
        if pinger is not None:
            pinger.ping().addCallbacks(
                self._times.append, self._failed, errbackArgs=(pinger,)
            )

    def _failed(self, reason: Failure, pinger: Ping) -> None:
        """
        Go on with another stream: some peers end one after a while.
        """
        self._lost += 1
        if self._pinger is pinger:
            self._pinger = None
            self._reopened += 1
            Deferred.fromCoroutine(self._reopen()).addErrback(lambda reason: None)

    async def _reopen(self) -> None:
        self._pinger = await self._node.pinger(self._target)

    def mark(self) -> None:
        """
        Forget what was until now.
        """
        self._times = []
        self._lost = self._reopened = 0

    def report(self) -> dict[str, Any]:
        """
        Tell how the pings went since the mark.
        """
        times = sorted(self._times)
        return {
            "count": len(times),
            "lost": self._lost,
            "reopened": self._reopened,
            "p50": times[len(times) // 2] if times else None,
            "p99": times[len(times) * 99 // 100] if times else None,
            "most": times[-1] if times else None,
        }


class Honest:
    """
    A node that connects to both, and pings.
    """

    def __init__(
        self, attacked: str, bystander: str, muxer: str | None, psk: str | None
    ) -> None:
        options: dict[str, Any] = {} if muxer is None else {"muxers": [muxer]}
        if psk is not None:
            options["network"] = PrivateNetwork.fromFile(psk)
        self._node = Node(reactor, **options)
        self._targets = {"attacked": attacked, "bystander": bystander}
        self._witnesses: dict[str, Witness] = {}

    async def start(self) -> dict[str, Any]:
        """
        Connect, and ping from now on.
        """
        self._node.startService()
        for name, target in self._targets.items():
            self._witnesses[name] = Witness(
                self._node, target, await self._node.pinger(target)
            )
        LoopingCall(self._ping).start(INTERVAL)
        return {"peerId": str(self._node.peerID)}

    def _ping(self) -> None:
        for witness in self._witnesses.values():
            witness.ping()

    async def mark(self) -> dict[str, Any]:
        """
        Forget what was until now.
        """
        for witness in self._witnesses.values():
            witness.mark()
        return {}

    async def report(self) -> dict[str, Any]:
        """
        Tell how the pings went since the mark.
        """
        return {name: each.report() for name, each in self._witnesses.items()}


def main() -> None:
    """
    Run until standard input ends.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("attacked")
    parser.add_argument("bystander")
    parser.add_argument("--muxer")
    parser.add_argument("--psk")
    options = parser.parse_args()
    honest = Honest(options.attacked, options.bystander, options.muxer, options.psk)
    run(honest.start, mark=honest.mark, report=honest.report)


if __name__ == "__main__":
    main()
