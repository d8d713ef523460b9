# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One dial of one peer, and those who wait for it.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.race import Race
from twisted_libp2p.errors import DialFailed, NoAddresses, UpgradeTimeout
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.pacing import addTimeout

__all__ = ["DIAL_LIMIT", "WIDTH", "Dial", "Target"]

#: What is dialed: a peer of which all addresses do, or one address of anybody.
Target = PeerID | Multiaddr

#: How many addresses of one peer are tried at once.
WIDTH = 8

#: Seconds for all the addresses of one peer together.
DIAL_LIMIT = 60.0


class Dial:
    """
    A dial under way.

    @ivar target: what is dialed.
    @ivar peer: who has to answer; None where an address tells, or anybody does.
    @ivar race: the attempts.
    @ivar known: the addresses that came up, and who has named each.
    @ivar names: for each address to which a name led, that name.
    @ivar causes: for each of them why it did not lead to the peer; None as long
        as that is not known.  A name that was resolved leaves it to others.
    @ivar usable: how many of them are tried, sooner or later.
    @ivar few: the number of addresses that are still tried, those included to which
        a name leads; None for all.
    @ivar resolved: how many of them are names that are resolved.
    """

    def __init__(self, target: Target, clock: IReactorTime) -> None:
        """
        @param target: what is dialed.
        @param clock: runs the timers.
        """
        self.target = target
        self.peer = target if isinstance(target, PeerID) else None
        self.race: Race[IConnection] = Race(clock, WIDTH)
        self.known: dict[Multiaddr, Origin] = {}
        self.names: dict[Multiaddr, Multiaddr] = {}
        self.causes: dict[Multiaddr, Exception | None] = {}
        self.usable = 0
        self.few: int | None = None
        self.resolved = 0
        self._clock = clock
        self._waiting: dict[Deferred[IConnection], None] = {}

    def join(self) -> Deferred[IConnection]:
        """
        Wait with the others.  When the last one has cancelled his share, the
        dial is given up.
        """
        share: Deferred[IConnection] = Deferred(self._leave)
        self._waiting[share] = None
        return share

    def _leave(self, share: Deferred[IConnection]) -> None:
        self._waiting.pop(share, None)
        if not self._waiting:
            self.stop()

    def stop(self) -> None:
        """
        Give up.
        """
        self.race.result.cancel()

    def outcome(self) -> Deferred[IConnection]:
        """
        @return: fires once with the connection, or fails with what all who wait
            are to be told, L{DIAL_LIMIT} seconds from now at the latest.
        """
        return addTimeout(
            self.race.result, DIAL_LIMIT, self._clock, self._timedOut
        ).addCallback(self._checked)

    def _timedOut(self, result: object, seconds: float) -> None:
        if isinstance(result, Failure):
            result.trap(CancelledError)
        raise self._failure(UpgradeTimeout("the dial", seconds))

    def _checked(self, connection: IConnection | None) -> IConnection:
        if connection is None:
            if not self.causes:
                raise NoAddresses(
                    f"no address of {self.target} is known: dial one that ends in"
                    " /p2p/ and its id"
                )
            raise self._failure(CancelledError())
        return connection

    def _failure(self, untold: Exception) -> DialFailed:
        return DialFailed(
            str(self.target),
            [(str(address), why or untold) for address, why in self.causes.items()],
        )

    def finish(self, result: IConnection | Failure) -> None:
        """
        Tell all who still wait.
        """
        waiting, self._waiting = self._waiting, {}
        for share in waiting:
            # Whoever was told first may have cancelled the share of another.
            if share.called:
                continue
            if isinstance(result, Failure):
                share.errback(result)
            else:
                share.callback(result)
