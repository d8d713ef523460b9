# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's I{transport} application: can the one side dial the other, and how
long does it take until the first ping is answered?
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import Deferred

from tests.unified.application import Application
from tests.unified.redis import Redis
from twisted_libp2p.errors import UpgradeTimeout

__all__ = ["TransportApplication"]


class TransportApplication(Application):
    """
    Its Redis is a list: the listener pushes its address, the dialer blocks
    until there is one.
    """

    async def stay(self) -> None:
        """
        Listen until the suite ends the program, or its patience has.
        """
        timeout = self.environment.timeout
        await Deferred[None]().addTimeout(
            timeout, self.reactor, _late("the test", timeout)
        )

    async def publish(self, redis: Redis, address: str) -> None:
        """
        Replace what a test before has left there, of whatever type.
        """
        await redis.call("DEL", self.environment.key)
        await redis.call("RPUSH", self.environment.key, address)

    async def find(self, redis: Redis) -> str:
        """
        Take the address.
        """
        timeout = self.environment.timeout
        reply = await redis.call("BLPOP", self.environment.key, str(timeout))
        match reply:
            case [str(), str(address)]:
                return address
        raise UpgradeTimeout("the start of the listener", timeout)

    async def dial(self, address: str) -> list[str]:
        """
        Dial, and ping once.
        """
        timeout = self.environment.timeout
        dialing = Deferred.fromCoroutine(self._ping(address))
        dialing.addTimeout(timeout, self.reactor, _late("a ping", timeout))
        whole, ping = await dialing
        return [
            "latency:",
            f"  handshake_plus_one_rtt: {whole * 1000:.3f}",
            f"  ping_rtt: {ping * 1000:.3f}",
            "  unit: ms",
        ]

    async def _ping(self, address: str) -> tuple[float, float]:
        """
        @return: the seconds from the dial to the answer of the ping, and those
            of the ping alone.
        """
        began = time.monotonic()
        # One ping and no more: the suite's listener in Python ends after it.
        pinger = await self.node.pinger(address)
        ping = await pinger.ping()
        return time.monotonic() - began, ping


def _late(what: str, seconds: float) -> Any:
    """
    Give what makes a timeout of ours say what it has waited for.
    """

    def late(result: Any, _: float) -> None:
        raise UpgradeTimeout(what, seconds)

    return late
