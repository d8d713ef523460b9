# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way into the routing table: a server has to answer a request first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.messages import Message, MessageType
from twisted_libp2p.dht.table import RoutingTable, Verdict
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_CHECKS", "Admission"]

#: The most peers that are checked at a time; others are ignored.
MAX_CHECKS: Final = 64

#: The number of failed requests in a row after which a server leaves the table.
MAX_FAILURES: Final = 2


class Admission:
    """
    Decides which servers enter the table, and which leave it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        own: PeerID,
        table: RoutingTable[PeerID],
        ask: Callable[[PeerID, Message], Deferred[Message]],
        networks: Callable[[PeerID], frozenset[bytes] | None],
        changed: Callable[[PeerID, bool], object],
    ) -> None:
        """
        Begin without a check.

        @param clock: the time.
        @param own: our peer.
        @param table: the table.
        @param ask: sends a request.
        @param networks: returns the networks of a connected peer; None if the peer
            does not belong into the table.
        @param changed: called with a peer and whether it was added, after each change.
        """
        self._clock = clock
        self._request = Message(MessageType.FIND_NODE, own.toBytes())
        self._table = table
        self._ask = ask
        self._networks = networks
        self._changed = changed
        self._checks: dict[PeerID, Deferred[None]] = {}
        self._failures: dict[PeerID, int] = {}

    @property
    def checking(self) -> int:
        """
        The number of peers that are being checked.
        """
        return len(self._checks)

    def consider(self, peer: PeerID) -> Deferred[None] | None:
        """
        Check a server that may enter the table, or prove again that it belongs there:
        it has to name other peers.

        @return: fires at the end of the check; None if no request was sent.
        """
        if peer in self._checks or len(self._checks) >= MAX_CHECKS:
            return None
        if peer not in self._table and not self._helps(peer):
            return None
        asking = self._ask(peer, self._request)
        check = asking.addCallbacks(
            self._checked, self.failed, callbackArgs=(peer,), errbackArgs=(peer,)
        )
        if not check.called:
            self._checks[peer] = check
        return check.addBoth(self._ended, peer)

    def _ended(self, _: object, peer: PeerID) -> None:
        self._checks.pop(peer, None)

    def _helps(self, peer: PeerID) -> bool:
        """
        Check whether there is a position for a peer.
        """
        # Its networks are known when it is connected.
        verdict = self._table.judge(peer, placeOf(peer.toBytes()), frozenset())
        return verdict is Verdict.ADDED

    def _checked(self, answer: Message, peer: PeerID) -> None:
        """
        Take a peer that has answered, unless it names nobody although others are known.
        """
        if answer.closer or len(self._table) < self._table.size:
            self.succeeded(peer)
        else:
            self._remove(peer)

    def succeeded(self, peer: PeerID) -> None:
        """
        Offer a peer that has answered to the table.
        """
        self._failures.pop(peer, None)
        networks = self._networks(peer)
        if networks is not None:
            verdict = self._table.offer(
                peer, placeOf(peer.toBytes()), self._clock.seconds(), networks
            )
            if verdict is Verdict.ADDED:
                self._changed(peer, True)

    def failed(self, reason: Failure | None, peer: PeerID) -> None:
        """
        Count a failed request; remove a server that has failed twice in a row.
        """
        if peer in self._table:
            failures = self._failures.get(peer, 0) + 1
            if failures >= MAX_FAILURES:
                self._remove(peer)
            else:
                self._failures[peer] = failures

    def left(self, peer: PeerID) -> None:
        """
        Remove a peer that is no longer a server.
        """
        self._remove(peer)

    def _remove(self, peer: PeerID) -> None:
        self._failures.pop(peer, None)
        if self._table.remove(peer):
            self._changed(peer, False)

    def stop(self) -> None:
        """
        Cancel all checks.
        """
        for each in list(self._checks.values()):
            each.cancel()
        self._failures.clear()
