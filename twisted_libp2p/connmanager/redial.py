# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The redialing of wanted peers that were lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.connmanager.policy import Backoff
from twisted_libp2p.errors import DialFailed, Libp2pError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger

__all__ = ["Redialer"]


class _Wanted:
    """
    One wanted peer.

    @ivar attempts: number of dials since it was last connected.
    @ivar call: the next dial.
    @ivar dial: the dial under way.
    @ivar reason: the reasons of the last failure that was logged; None if nothing was
        logged since the peer was connected.
    """

    __slots__ = ("attempts", "call", "dial", "reason")

    def __init__(self) -> None:
        self.attempts = 0
        self.reason: frozenset[str] | None = None
        self.call: IDelayedCall | None = None
        self.dial: Deferred[Any] | None = None

    def rest(self) -> None:
        """
        Cancel the wait and the dial.
        """
        call, self.call = self.call, None
        if call is not None:
            call.cancel()
        dial, self.dial = self.dial, None
        if dial is not None:
            dial.cancel()


class Redialer:
    """
    Dials wanted peers that are not connected: at once when they begin to be
    wanted, and again and again with waits that grow, without end.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        dial: Callable[[PeerID], Deferred[Any]],
        backoff: Backoff,
        random: Callable[[], float],
    ) -> None:
        """
        Prepare to dial lost peers again.

        @param clock: the timers.
        @param dial: connects to a peer; is cancelled when it is no longer needed.
        @param backoff: the lengths of the waits.
        @param random: returns numbers from 0 to 1.
        """
        self._clock = clock
        self._dial = dial
        self._backoff = backoff
        self._random = random
        self._wanted: dict[PeerID, _Wanted] = {}
        self._running = False

    def start(self, missing: Callable[[PeerID], bool]) -> None:
        """
        Dial the wanted peers that are missing at once, and from now on all
        peers that get lost, after a wait.
        """
        self._running = True
        # A dial that ends at once may cause other peers to be wanted.
        for peer, wanted in list(self._wanted.items()):
            if self._wanted.get(peer) is wanted and missing(peer):
                wanted.rest()
                wanted.attempts = 0
                self._redial(peer, wanted)

    def stop(self) -> None:
        """
        Cancel all dials and waits.
        """
        self._running = False
        for wanted in self._wanted.values():
            wanted.rest()

    def waiting(self) -> Iterator[tuple[PeerID, float]]:
        """
        Go through the peers that will be dialed again, with the times of the dials.
        """
        for peer, wanted in self._wanted.items():
            if wanted.call is not None:
                yield peer, wanted.call.getTime()

    def want(self, peer: PeerID, missing: bool) -> None:
        """
        Keep connected to a peer from now on.

        @param missing: whether it is not connected: then it is dialed at once.
        """
        if peer not in self._wanted:
            wanted = self._wanted[peer] = _Wanted()
            if missing and self._running:
                self._redial(peer, wanted)

    def now(self, peer: PeerID) -> None:
        """
        Dial a peer now if it waits, such as when another address is known.
        """
        wanted = self._wanted.get(peer)
        if wanted is not None and wanted.call is not None:
            wanted.rest()
            wanted.attempts = 0
            self._redial(peer, wanted)

    def forget(self, peer: PeerID) -> None:
        """
        Stop redialing a peer, if it is wanted.
        """
        wanted = self._wanted.pop(peer, None)
        if wanted is not None:
            wanted.rest()

    def connected(self, peer: PeerID) -> None:
        """
        Note the first connection of a peer, whichever side dialed.
        """
        wanted = self._wanted.get(peer)
        if wanted is None:
            return
        if wanted.call is not None:
            wanted.call.cancel()
            wanted.call = None
        if wanted.reason is not None:
            wanted.reason = None
            self._log.info("{peer} is connected again", peer=peer)

    def disconnected(self, peer: PeerID, lasted: float) -> None:
        """
        Note that a peer has lost its last connection.

        @param lasted: seconds that the connection has lasted.
        """
        wanted = self._wanted.get(peer)
        if wanted is None:
            return
        if lasted >= self._backoff.steady:
            wanted.attempts = 0
        if wanted.dial is None and wanted.call is None:
            self._wait(peer, wanted)

    def _wait(self, peer: PeerID, wanted: _Wanted) -> None:
        """
        Dial a peer after a wait, which is longer after each attempt.
        """
        if self._running:
            delay = self._backoff.delay(wanted.attempts, self._random())
            wanted.attempts += 1
            wanted.call = self._clock.callLater(delay, self._redial, peer, wanted)

    def _redial(self, peer: PeerID, wanted: _Wanted) -> None:
        """
        Dial a peer now.
        """
        wanted.call = None
        dial = wanted.dial = maybeDeferred(self._dial, peer)
        dial.addBoth(self._dialed, peer, wanted)
        if self._wanted.get(peer) is not wanted:
            # At the beginning of the dial the peer ceased to be wanted.
            wanted.rest()

    def _dialed(self, result: object, peer: PeerID, wanted: _Wanted) -> None:
        """
        Try again later if the peer is not connected and still wanted.
        """
        if wanted.dial is None:
            return
        wanted.dial = None
        if isinstance(result, Failure) and self._wanted.get(peer) is wanted:
            self._report(result, peer, wanted)
            self._wait(peer, wanted)

    def _report(self, failure: Failure, peer: PeerID, wanted: _Wanted) -> None:
        """
        Log the first failure of a peer, and each one with another reason.
        """
        if failure.check(CancelledError):
            return
        if not failure.check(Libp2pError):
            self._log.failure("dialing {peer} failed", failure, peer=peer)
            return
        reason = _reason(failure)
        if reason != wanted.reason:
            wanted.reason = reason
            self._log.warn(
                "cannot connect to {peer}, which is protected; trying again until"
                " it can be reached: {reason}",
                peer=peer,
                reason=failure.getErrorMessage(),
            )


def _reason(failure: Failure) -> frozenset[str]:
    """
    Reduce the error of a dial to the reasons in it.  The order of the addresses, and
    the numbers in use, differ from one dial to the next.
    """
    error = failure.value
    assert error is not None
    causes = (
        [cause for _, cause in error.causes] if isinstance(error, DialFailed) else []
    )
    return frozenset(
        type(each).__name__ + re.sub(r"\d+", "0", str(each))
        for each in causes or [error]
    )
