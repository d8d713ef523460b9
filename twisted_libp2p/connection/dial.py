# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One dial of one peer, and the callers that wait for it.
"""

from __future__ import annotations

from typing import NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.candidates import Candidates
from twisted_libp2p.connection.dialrecord import DialRecord
from twisted_libp2p.connection.race import Race
from twisted_libp2p.errors import DialFailed, NoAddresses, UpgradeTimeout
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DialOptions, IConnection
from twisted_libp2p.pacing import addTimeout

__all__ = ["DIAL_LIMIT", "WIDTH", "Dial", "Target"]

#: The target of a dial: a peer at any of its addresses, or any peer at one address.
Target = PeerID | Multiaddr

#: How many addresses of one peer are tried at once.
WIDTH = 8

#: Seconds for all the addresses of one peer together.
DIAL_LIMIT = 60.0


class Dial:
    """
    A dial under way.

    @ivar target: the peer, or the address, that is dialed.
    @ivar options: how it is dialed.
    @ivar race: the attempts.
    @ivar candidates: the addresses.
    @ivar unfound: the routings that have found nothing, and why.
    @ivar since: the time of the beginning.
    """

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        clock: IReactorTime,
        few: int | None = None,
    ) -> None:
        """
        Begin with no addresses.

        @param target: the peer, or the address, to dial.
        @param options: how it is dialed.
        @param clock: runs the timers.
        @param few: the number of addresses to try; None for all.
        """
        peer = target if isinstance(target, PeerID) else None
        self.target = target
        self.options = options
        self.race: Race[IConnection] = Race(clock, WIDTH)
        self.candidates = Candidates(peer, few)
        self.unfound: list[str] = []
        self.since = clock.seconds()
        self._clock = clock
        self._waiting: dict[Deferred[IConnection], None] = {}

    @property
    def peer(self) -> PeerID | None:
        """
        The peer that has to answer; None if the end of an address says so, or any peer
        may.
        """
        return self.candidates.peer

    def join(self, timeout: float | None = None) -> Deferred[IConnection]:
        """
        Wait together with the other callers.  When the last caller has cancelled its
        share, the dial is given up.

        @param timeout: seconds after which this share fails; None for L{DIAL_LIMIT}.
        """
        share: Deferred[IConnection] = Deferred(self._leave)
        self._waiting[share] = None
        if timeout is not None:
            addTimeout(share, timeout, self._clock, self._late)
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
        Begin to wait for the outcome.

        @return: fires once with the connection, or fails with the error for all
            callers, L{DIAL_LIMIT} seconds from now at the latest.
        """
        return addTimeout(
            self.race.result, DIAL_LIMIT, self._clock, self._late
        ).addCallback(self._checked)

    def _late(self, result: object, seconds: float) -> NoReturn:
        if isinstance(result, Failure):
            result.trap(CancelledError)
        raise self._failure(UpgradeTimeout("the dial", seconds))

    def _checked(self, connection: IConnection | None) -> IConnection:
        if connection is None:
            if self.candidates.empty:
                if self.unfound:
                    raise NoAddresses(
                        f"no address of {self.target} is known, and none was found:"
                        f" {'; '.join(self.unfound)}"
                    )
                raise NoAddresses(
                    f"no address of {self.target} is known: dial one that ends in"
                    " /p2p/ and its id"
                )
            raise self._failure(CancelledError())
        return connection

    def _failure(self, unknown: Exception) -> DialFailed:
        return DialFailed(str(self.target), self.candidates.causes(unknown))

    def finish(self, result: IConnection | Failure, record: DialRecord) -> None:
        """
        Count the dial, and give the outcome to all callers that still wait.

        @param record: counts it.
        """
        record.ended(
            not isinstance(result, Failure),
            self.candidates.attempts,
            self._clock.seconds() - self.since,
        )
        waiting, self._waiting = self._waiting, {}
        for share in waiting:
            # A caller that has its outcome may have cancelled the share of another.
            if share.called:
                continue
            if isinstance(result, Failure):
                share.errback(result)
            else:
                share.callback(result)
