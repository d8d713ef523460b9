# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The course of one lookup: its requests, its timers and its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.messages import Message, NamedPeer
from twisted_libp2p.dht.query import Bounds, Ending, Query, State
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger

__all__ = [
    "LATE",
    "MAX_TIME",
    "Answered",
    "Lookup",
    "Network",
    "Report",
    "nothing",
]

#: Seconds after which a request no longer counts against the limit on requests at a
#: time.
LATE: Final = 2.0

#: Seconds for one lookup.
MAX_TIME: Final = 60.0


#: Takes a lookup, a peer and its answer, and returns whether enough is found.
Answered = Callable[["Lookup", PeerID, Message], bool]


def nothing(lookup: Lookup, peer: PeerID, answer: Message) -> bool:
    """
    Look for nothing in an answer but nearer peers.
    """
    return False


class Network(Protocol):
    """
    The part of a DHT that a lookup uses.
    """

    clock: IReactorTime
    own: PeerID

    def ask(self, peer: PeerID, request: Message) -> Deferred[Message]:
        """
        Send a request.
        """

    def usable(self, peer: PeerID, named: Iterable[NamedPeer]) -> list[NamedPeer]:
        """
        Return those of the named peers, with those of their addresses, that the
        answering peer may name.
        """

    def learn(self, peer: PeerID, addresses: Sequence[Multiaddr]) -> None:
        """
        Store the addresses of a peer that is about to be asked.
        """

    def succeeded(self, peer: PeerID) -> None:
        """
        Record that a peer has answered.
        """

    def failed(self, peer: PeerID, reason: Failure) -> None:
        """
        Record that a peer has not answered.
        """


@dataclass(frozen=True, slots=True)
class Report:
    """
    The result of a lookup.

    @ivar key: the key.
    @ivar ending: the reason of its end.
    @ivar nearest: the nearest peers that have answered, nearest first.
    @ivar asked: the number of peers that were asked.
    @ivar heard: the number of peers that the lookup knew of.
    @ivar failed: the number of peers that have not answered.
    @ivar hops: the number of peers on the way to the nearest one.
    @ivar path: this way: a peer of our table, the peers that named the next one each.
    @ivar seconds: its duration.
    """

    key: bytes
    ending: Ending
    nearest: tuple[PeerID, ...]
    asked: int
    heard: int
    failed: int
    hops: int
    path: tuple[PeerID, ...]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.asked} of {self.heard} peers asked,"
            f" {self.failed} without an answer,"
            f" {self.hops} hops, {self.seconds:.1f} s, {self.ending.value}"
        )


class Lookup:
    """
    A lookup.

    @ivar query: its machine.
    @ivar result: fires with the L{Report}; if it is cancelled, the lookup ends.
    """

    _log = Logger()

    def __init__(
        self,
        network: Network,
        key: bytes,
        request: Message,
        seeds: Sequence[PeerID],
        answered: Answered = nothing,
        bounds: Bounds | None = None,
        seconds: float = MAX_TIME,
        skip: PeerID | None = None,
    ) -> None:
        """
        Prepare a lookup, which L{start} begins.

        @param network: sends the requests.
        @param key: the key to look up.
        @param request: the request that each peer gets.
        @param seeds: the nearest peers of our table.
        @param answered: called with the lookup, each peer and its answer; returns
            whether enough is found.
        @param bounds: the bounds of the lookup.
        @param seconds: its longest duration.
        @param skip: a peer that is not asked.
        """
        self._skip = skip
        self._network = network
        self._key = key
        self._request = request
        self._answered = answered
        self._seconds = seconds
        self.query: Query[PeerID] = Query(
            placeOf(key),
            network.own,
            [(each, placeOf(each.toBytes())) for each in seeds],
            bounds,
        )
        self.result: Deferred[Report] = Deferred(self._cancelled)
        self._addresses: dict[PeerID, tuple[Multiaddr, ...]] = {}
        self._asking: dict[PeerID, Deferred[Message]] = {}
        self._timers: dict[PeerID, IDelayedCall] = {}
        self._stepping = False
        self._ended = False
        self._timer: IDelayedCall | None = None
        self._began = 0.0

    def start(self) -> Deferred[Report]:
        """
        Begin.

        @return: C{result}.
        """
        clock = self._network.clock
        self._began = clock.seconds()
        self._timer = clock.callLater(self._seconds, self._expire)
        self._step()
        return self.result

    def addresses(self, peer: PeerID) -> tuple[Multiaddr, ...]:
        """
        Return the addresses of a peer, as an answer has named them.
        """
        return self._addresses.get(peer, ())

    def _step(self) -> None:
        """
        Ask the next peers, or end.
        """
        # An answer may come at once: then the loop below goes on with it.
        if self._stepping or self._ended:
            return
        self._stepping = True
        try:
            while asked := self.query.next():
                for each in asked:
                    self._ask(each)
        finally:
            self._stepping = False
        if self.query.ending is not None:
            self._finish(self.query.ending)

    def _ask(self, peer: PeerID) -> None:
        network = self._network
        network.learn(peer, self._addresses.get(peer, ()))
        asking = self._asking[peer] = network.ask(peer, self._request)
        self._timers[peer] = network.clock.callLater(LATE, self._late, peer)
        asking.addCallback(self._accept, peer)
        asking.addErrback(self._fail, peer)
        asking.addBoth(self._settle, peer)

    def _late(self, peer: PeerID) -> None:
        del self._timers[peer]
        self.query.late(peer)
        self._step()

    def _accept(self, answer: Message, peer: PeerID) -> None:
        """
        Take an answer.
        """
        if self.query.ending is not None:
            return
        self._network.succeeded(peer)
        closer = self._network.usable(peer, answer.closer)
        for each in closer:
            if each.addresses:
                self._addresses.setdefault(each.peer, each.addresses)
        self.query.answered(
            peer,
            [
                (each.peer, placeOf(each.peer.toBytes()))
                for each in closer
                if each.peer != self._skip
            ],
        )
        if self._answered(self, peer, answer):
            self.query.stop()

    def _fail(self, reason: Failure, peer: PeerID) -> None:
        """
        Record that a peer has not answered.
        """
        if self.query.ending is not None:
            return
        if not reason.check(Libp2pError, CancelledError):
            self._log.failure("a request to {peer} failed", reason, peer=peer)
        if self.query.state(peer) is not State.ANSWERED:
            self._network.failed(peer, reason)
            self.query.failed(peer)

    def _settle(self, _: object, peer: PeerID) -> None:
        self._asking.pop(peer, None)
        timer = self._timers.pop(peer, None)
        if timer is not None:
            timer.cancel()
        self._step()

    def _expire(self) -> None:
        self._timer = None
        self.query.expire()
        self._step()

    def _cancelled(self, _: object) -> None:
        self.query.stop()
        self._end()

    def _finish(self, ending: Ending) -> None:
        """
        Report the result.
        """
        self._end()
        query = self.query
        nearest = tuple(query.nearest())
        path = tuple(query.path(nearest[0])) if nearest else ()
        seconds = self._network.clock.seconds() - self._began
        self.result.callback(
            Report(
                self._key,
                ending,
                nearest,
                query.asked,
                query.heard,
                query.failures,
                len(path),
                path,
                seconds,
            )
        )

    def _end(self) -> None:
        """
        Stop all timers and requests.
        """
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()
        asking, self._asking = self._asking, {}
        for each in asking.values():
            each.cancel()
