# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A meeting: two peers behind routers, and the relay between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from tests.lab.lab import Lab, Router
from tests.lab.nat import NAT
from tests.lab.players import Player, player
from tests.lab.wire import Link
from twisted_libp2p.quic.backends import AUTO

__all__ = ["Cast", "Meeting", "Outcome"]

#: Seconds of one way to the wire, for the relay and for each router.
DELAY = 0.02

#: Seconds between the reports of the two peers, at most.
LAG = 1.0


@dataclass(frozen=True, slots=True)
class Cast:
    """
    The implementations of the three peers, C{ours}, C{go} or C{rust}, and the
    transport.
    """

    listener: str
    dialer: str
    relay: str
    transport: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The outcome of a meeting.

    @ivar seconds: the time from the relayed to the direct connection, as the dialer
        sees them; None if there was no direct connection.
    @ivar tries: the number of exchanges, 0 if none was needed; None if the listener
        does not say.
    """

    seconds: float | None
    tries: int | None


class Meeting:
    """
    Two peers that are connected through a relay.

    @ivar lab: the laboratory.
    @ivar routers: those of the listener and of the dialer.
    @ivar listener: the listener.
    @ivar dialer: the dialer.
    @ivar relay: the relay.
    """

    listener: Player
    dialer: Player
    relay: Player

    def __init__(
        self, reactor: Any, lab: Lab, delay: float = DELAY, backend: str = AUTO
    ) -> None:
        """
        @param delay: seconds of one way to the wire, for each of them.
        @param backend: the backend of QUIC of ours.
        """
        self._reactor = reactor
        self.lab = lab
        self.routers: list[Router] = []
        self._backend = backend
        self._link = Link(delay)
        self._players: list[Player] = []

    async def begin(self, cast: Cast, one: NAT, other: NAT) -> None:
        """
        Connect the dialer, behind the other router, with the listener, behind the one.
        """
        site = self.lab.site("relay", "45.45.0.10", link=self._link)
        self.relay = self._player(cast.relay, site, "45.45.0.10", cast.transport)
        places = await self.relay.relay()
        for number, nat in ((1, one), (2, other)):
            self.routers.append(
                self.lab.router(
                    f"home{number}",
                    f"45.46.{number}.1",
                    f"10.{number}.0",
                    nat,
                    link=self._link,
                )
            )
        first, second = (self.lab.host(each) for each in self.routers)
        self.listener = self._player(cast.listener, first, "10.1.0.2", cast.transport)
        self.dialer = self._player(cast.dialer, second, "10.2.0.2", cast.transport)
        circuit = await self.listener.listen(places[cast.transport])
        await self.dialer.dial(circuit)

    def _player(self, name: str, space: Any, host: str, transport: str) -> Player:
        made = player(name, self._backend)(self._reactor, space, host, transport)
        self._players.append(made)
        return made

    async def outcome(self, seconds: float) -> Outcome:
        """
        Wait for the direct connection.

        @param seconds: how long to wait.
        """
        direct, over = self.dialer.direct, self.listener.over
        await self._wait(seconds, direct, over)
        await self._wait(LAG, *(each for each in (direct, over) if not each.called))
        took = self.dialer.directAt
        if took is not None:
            took -= self.dialer.relayedAt
        return Outcome(took, self.listener.tries)

    async def _wait(self, seconds: float, *events: Deferred[None]) -> None:
        """
        Wait for the first of some events, but not for ever.
        """
        waiting: Deferred[None] = Deferred()

        def happened(result: None) -> None:
            if not waiting.called:
                waiting.callback(None)

        late = self._reactor.callLater(seconds, happened, None)
        for each in events:
            each.addCallback(happened)
        await waiting
        if late.active():
            late.cancel()

    async def end(self) -> None:
        """
        Stop all peers.
        """
        for each in self._players:
            if each.started:
                await each.stop()
