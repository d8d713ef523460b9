# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What all applications of the suite do: a listener tells its address under a key
in Redis and stays; a dialer waits for it, measures, and prints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tests.unified.environment import Environment
from tests.unified.redis import Redis, connect
from tests.unified.wss import UncheckedWebSockets
from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.node import Node

__all__ = ["Application", "reachable"]


#: The names of transports that are others here.
NAMES = {"quic-v1": "quic"}


def reachable(addresses: Iterable[Multiaddr]) -> Multiaddr:
    """
    Choose the address that reaches farthest: another container has a loopback
    of its own.
    """
    order = list(Scope)
    return max(addresses, key=lambda each: order.index(Scope.of(each)))


class Application(ABC):
    """
    One of the suite's applications.

    @ivar environment: what it is told.
    @ivar node: what it runs.
    """

    _log = Logger()

    def __init__(self, reactor: Any, variables: Mapping[str, str]) -> None:
        """
        @raise ConfigurationError: it cannot do what it is told.
        """
        self.reactor = reactor
        self.environment = environment = Environment.read(variables)
        name = environment.transport
        transport = UncheckedWebSockets() if name == "wss" else NAMES.get(name, name)
        stack: dict[str, Any] = {}
        if environment.security:
            stack["security"] = [environment.security]
            stack["muxers"] = [environment.muxer]
        self.node = Node(
            reactor, listen=environment.listen(), transports=[transport], **stack
        )

    async def run(self) -> list[str]:
        """
        Do it.

        @return: the lines to print.
        """
        environment, node = self.environment, self.node
        node.startService()
        try:
            addresses = await node.whenListening()
            redis = await connect(self.reactor, environment.host, environment.port)
            try:
                if environment.dialer:
                    return await self.dial(await self.find(redis))
                address = str(reachable(addresses))
                await self.publish(redis, address)
                self._log.debug("told {address}", address=address)
            finally:
                redis.close()
            await self.stay()
            return []
        finally:
            await node.stopService()

    async def stay(self) -> None:
        """
        Listen until the suite ends the program.
        """
        await Deferred[None]()

    @abstractmethod
    async def publish(self, redis: Redis, address: str) -> None:
        """
        Tell where we listen.
        """

    @abstractmethod
    async def find(self, redis: Redis) -> str:
        """
        Wait until it is told where to dial.
        """

    @abstractmethod
    async def dial(self, address: str) -> list[str]:
        """
        Dial, and measure.

        @return: the lines to print.
        """
