# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's I{hole-punch} application: a relay, and two peers behind routers that get a
direct connection.

Only the two peers have C{IS_DIALER}.  The containers of the suite have their routes
from the script that starts the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from tests.unified.application import reachable
from tests.unified.environment import Environment
from tests.unified.redis import Redis, connect
from twisted_libp2p.errors import ConfigurationError, UpgradeTimeout
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.interfaces import DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.relay.events import ReservationHeld
from twisted_libp2p.relay.service import RelayService

__all__ = ["PunchApplication"]

#: How the application's transports listen, after the IP address: the transport, and the
#: rest of the address.
LISTEN = {"tcp": ("tcp", "/tcp/0"), "quic-v1": ("quic", "/udp/0/quic-v1")}

#: Seconds between two looks for a key.
POLL = 0.1

#: The parts, by C{IS_DIALER}, with the variable of the address to listen on.
PARTS = {
    "": ("relay", "RELAY_IP"),
    "true": ("dialer", "DIALER_IP"),
    "false": ("listener", "LISTENER_IP"),
}


class PunchApplication:
    """
    One of the three programs.

    @ivar environment: what all applications are told.
    @ivar node: what it runs.
    """

    _log = Logger()

    def __init__(self, reactor: Any, variables: Mapping[str, str]) -> None:
        """
        @raise ConfigurationError: it cannot do what it is told.
        """
        name = variables.get("TRANSPORT", "")
        if name not in LISTEN:
            raise ConfigurationError(
                f"TRANSPORT={name}: choose from {', '.join(LISTEN)}"
            )
        role = variables.get("IS_DIALER", "")
        if role not in PARTS:
            raise ConfigurationError(f"IS_DIALER={role}: choose from true, false")
        self._part, place = PARTS[role]
        transport, tail = LISTEN[name]
        # QUIC has no security protocol and no muxer to choose.
        self.environment = Environment.read(
            {
                "SECURE_CHANNEL": "noise",
                "MUXER": "yamux",
                **variables,
                "IS_DIALER": role or "false",
                "TRANSPORT": "tcp",
            }
        )
        self._key = variables["TEST_KEY"]
        self.reactor = reactor
        relaying = self._part == "relay"
        self.node = Node(
            reactor,
            listen=[f"/ip4/{variables.get(place) or '0.0.0.0'}{tail}"],
            transports=[transport, "relay"],
            security=[self.environment.security],
            muxers=[self.environment.muxer],
            services=[RelayService()] if relaying else [],
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
                if self._part == "relay":
                    place = str(reachable(addresses))
                    await redis.call("SET", f"{self._key}_relay_multiaddr", place)
                elif self._part == "listener":
                    await self._listen(redis)
                else:
                    return await self._dial(redis)
            finally:
                redis.close()
            await Deferred[None]()
            return []
        finally:
            await node.stopService()

    async def _listen(self, redis: Redis) -> None:
        """
        Reserve a place at the relay, and publish our id.
        """
        relay = await self._find(redis, "relay_multiaddr")
        held = self.node.events.next(ReservationHeld)
        await self.node.listenOn(f"{relay}/p2p-circuit")
        await held
        key = f"{self._key}_listener_peer_id"
        await redis.call("SET", key, str(self.node.peerID))

    async def _dial(self, redis: Redis) -> list[str]:
        """
        Dial the listener through the relay, wait for the direct connection, and ping.
        """
        node, clock = self.node, self.reactor
        relay = await self._find(redis, "relay_multiaddr")
        # The relay has to say from where it sees this host.
        await node.identify(relay)
        peer = await self._find(redis, "listener_peer_id")
        began = clock.seconds()
        direct = node.events.next(
            OpenedConn, lambda event: str(event.peer) == peer and not event.limited
        )
        addTimeout(direct, self.environment.timeout, clock, _late)
        await node.connect(
            f"{relay}/p2p-circuit/p2p/{peer}", DialOptions(allowLimited=True)
        )
        await direct
        ping = await node.ping(peer)
        whole = clock.seconds() - began
        return [
            "latency:",
            f"  handshake_plus_one_rtt: {whole * 1000:.3f}",
            f"  ping_rtt: {ping * 1000:.3f}",
            "  unit: ms",
        ]

    async def _find(self, redis: Redis, name: str) -> str:
        """
        Look until another program has set a key.
        """
        timeout = self.environment.timeout
        until = self.reactor.seconds() + timeout
        while self.reactor.seconds() < until:
            value = await redis.call("GET", f"{self._key}_{name}")
            if isinstance(value, str):
                return value
            await deferLater(self.reactor, POLL)
        raise UpgradeTimeout(f"the key {name}", timeout)


def _late(result: object, seconds: float) -> Any:
    """
    Raise the error of a hole that is not punched in time.
    """
    raise UpgradeTimeout("the direct connection", seconds)
