# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore on a database, which several nodes may share.

Memory answers, and the database follows.  All changes within a quarter of a second
are written together; the changes of other programs are read at the same time, or every
five seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    fail,
    succeed,
)
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDatabase
from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.merging import mergeRow
from twisted_libp2p.peerstore.records import Limits, Record
from twisted_libp2p.peerstore.rows import Row
from twisted_libp2p.peerstore.snapshot import readable
from twisted_libp2p.peerstore.sql import Batch, Place

__all__ = ["PeerStoreService"]

#: Seconds from a change until it is written.  A change must not be lost after a
#: second; the rest of the second is for writing it.
WRITE_DELAY: Final = 0.25

#: Seconds between two reads of the changes of other programs, and until the next
#: attempt if the database cannot be reached.
POLL_INTERVAL: Final = 5.0

#: Seconds between two sweeps, which delete expired rows.
SWEEP_INTERVAL: Final = 300.0

#: The number of peers that are read at once: a few milliseconds of the reactor's
#: time.
_PAGE: Final = 250

#: The number of rows that are written at once, roughly: many, because the end of a
#: transaction takes long.
_BATCH: Final = 4000

#: The number of rows that are made or merged in one turn of the reactor: a few
#: milliseconds.
_SLICE: Final = 1000

#: The number of kept peers, with up to 64 addresses each, whose facts are prolonged
#: in one turn.
_KEPT: Final = 50


@implementer(IDatabase)
class PeerStoreService(MemoryPeerStore, Service):
    """
    A peerstore whose facts are also in a database.
    """

    name = "peerstore"
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        backend: Backend,
        limits: Limits | None = None,
        clock: IReactorTime | None = None,
    ) -> None:
        """
        Make a store that is not started.

        @param reactor: the reactor that gets the results of the database's thread.
        @param backend: the database.
        @param limits: the bounds, of memory and of the database.
        @param clock: the source of the time; the reactor by default.
        """
        super().__init__(reactor if clock is None else clock, limits)
        self._reactor = reactor
        self._backend = backend
        self._journal = self._book.journal = Journal(self._schedule)
        self._lock = DeferredLock()
        self._pool: Any = None
        # The number up to which everything was read; None before the first time.
        self._known: int | None = None
        self._loading: Deferred[None] | None = None
        self._loaded: Failure | bool = False
        self._waiting: list[Deferred[None]] = []
        self._writing: IDelayedCall | None = None
        self._loops: list[LoopingCall] = []
        self._logged = False

    def startService(self) -> None:
        """
        Start to load; L{whenLoaded} fires at the end.
        """
        if self.running:
            return
        super().startService()
        self._pool = self._backend.pool(self._reactor)
        for seconds, work in (
            (POLL_INTERVAL, self._poll),
            (SWEEP_INTERVAL, self._sweep),
        ):
            loop = LoopingCall(work)
            loop.clock = self.clock
            loop.start(seconds, now=False)
            self._loops.append(loop)
        self._load()

    def stopService(self) -> Deferred[None]:
        """
        Write the remaining changes, and close the database.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.stop()
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()
        if self._loading is not None:
            await self._loading
        if self._known is not None:
            try:
                await self._locked(self._exchangeLast)
            except Exception:
                self._logOnce(Failure())
        self._known, self._loaded = None, False
        self._notify(Failure(ConfigurationError("the peerstore has stopped")))
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    # Storage

    def whenLoaded(self) -> Deferred[None]:
        """
        Return a Deferred that fires when all stored facts are in memory.
        """
        if self._loaded is True:
            return succeed(None)
        if isinstance(self._loaded, Failure):
            return fail(self._loaded)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def flush(self) -> Deferred[None]:
        """
        Write all changes.
        """
        if not self.running:
            return fail(ConfigurationError("the peerstore is not running"))
        return self.whenLoaded().addCallback(lambda _: self._locked(self._exchange))

    def lookup(self, peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Look into the database if memory has no address of the peer.
        """
        peer = PeerID.of(peer)
        known = self.addresses(peer)
        if known or self._pool is None:
            return succeed(known)
        looking: Deferred[Any] = self._run(self._backend.schema.find, peer.toBytes())
        looking.addCallbacks(self._found, self._lookupFailed, callbackArgs=(peer,))
        return looking.addCallback(lambda found: self.addresses(peer) or found or [])

    def _found(self, rows: Sequence[Row], peer: PeerID) -> list[Multiaddr]:
        """
        Merge the rows that were looked up.

        @return: the addresses in them, for which memory may have no room.
        """
        now = self.clock.seconds()
        record = Record()
        for row in rows:
            if not self._book.isPending(peer, row):
                mergeRow(record, row, now)
        self._book.merge(rows)
        return readable(record.ranked(now))

    def _lookupFailed(self, failure: Failure) -> Failure | None:
        """
        Log a failed lookup; pass on that one was cancelled.
        """
        if failure.check(CancelledError):
            return failure
        self._logOnce(failure)
        return None

    @property
    def placeholder(self) -> str:
        """
        The placeholder of a value in a statement.
        """
        return self._backend.schema.placeholder

    def transact(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Run a transaction for another service, after those that wait.
        """
        if self._pool is None:
            return fail(ConfigurationError("the peerstore is not running"))
        return self._run(work, *arguments)

    # Loading

    def _load(self) -> None:
        def done(_: None) -> None:
            self._loading = None

        self._loading = Deferred.fromCoroutine(self._loadAll())
        self._loading.addCallback(done)

    async def _loadAll(self) -> None:
        try:
            now = self.clock.seconds()
            schema = self._backend.schema
            self._known = await self._run(schema.prepare, now)
            place: Place | None = Place()
            left = self.limits.peers
            while place is not None and left > 0:
                if not self.running:
                    return
                rows, place = await self._run(schema.page, place, now, _PAGE)
                await self._merge(rows)
                left -= _PAGE
        except Exception:
            failure = Failure()
            self._logOnce(failure)
            self._loaded = Failure(ConfigurationError(self._reason(failure)))
            self._notify(self._loaded)
        else:
            self._logged = False
            self._loaded = True
            self._notify(None)
            if self._journal:
                self._schedule()

    def _notify(self, result: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if result is None:
                each.callback(None)
            else:
                each.errback(result)

    # Writing and reading

    def _schedule(self) -> None:
        """
        Write a change soon.
        """
        if self.running and self._loaded is True and self._writing is None:
            self._writing = self.clock.callLater(WRITE_DELAY, self._write)

    def _write(self) -> None:
        self._writing = None
        self._locked(self._exchange).addErrback(self._logOnce)

    def _poll(self) -> Deferred[None] | None:
        """
        Read the changes of other programs; load again if loading has failed.
        """
        if self._loaded is True:
            return self._locked(self._exchange).addErrback(self._logOnce)
        if self._loading is None:
            self._load()
        return None

    def _sweep(self) -> Deferred[None] | None:
        if self._loaded is not True:
            return None
        return self._locked(self._sweepAll).addErrback(self._logOnce)

    async def _sweepAll(self) -> None:
        """
        Prolong the facts about kept peers, and drop expired ones, in memory and in the
        database.
        """
        kept = self._book.kept()
        for start in range(0, len(kept), _KEPT):
            if start:
                await self._pause()
            self._book.refresh(kept[start : start + _KEPT])
        while self._book.collect(_PAGE) == _PAGE:
            await self._pause()
        more = True
        while more and self.running:
            more = await self._run(
                self._backend.schema.sweep, self.clock.seconds(), self.limits.peers
            )

    async def _exchange(self) -> None:
        """
        Write all waiting changes, and read all new ones.
        """
        left = self._journal.waiting
        more = True
        while more or left > 0:
            # Entries may have been dropped, or merged, while others were written.
            entries = (left > 0 and self._journal.take(_BATCH)) or None
            left = left - len(entries) if entries else 0
            more = await self._exchangeOnce(entries)
        if self._journal:
            self._schedule()

    async def _exchangeLast(self) -> None:
        """
        Write and read for the last time, and leave the time in the database.
        """
        await self._exchange()
        await self._exchangeOnce({})

    async def _exchangeOnce(self, entries: dict[PeerID, Entry] | None) -> bool:
        """
        Write and read once.

        @param entries: the entries that were taken from the journal; None to read only.
        @return: whether there is more to read.
        """
        try:
            rows, known, more = await self._run(
                self._backend.schema.exchange,
                None if entries is None else await self._batch(entries),
                self._known,
                self.clock.seconds(),
            )
        except BaseException:
            self._journal.failed()
            raise
        self._journal.done()
        self._logged = False
        await self._merge(rows)
        # Only now: if merging fails, these rows have to be read again.
        self._known = known
        return bool(more)

    async def _batch(self, entries: dict[PeerID, Entry]) -> Batch:
        """
        Make the rows of changed peers, some in each turn of the reactor.
        """
        rows: list[Row] = []
        made = 0
        # Between two turns, peers may be dropped, and their entries too.
        for peer, entry in list(entries.items()):
            if len(rows) - made >= _SLICE:
                await self._pause()
                made = len(rows)
            if peer in entries:
                rows += self._book.rows(peer, entry)
        return Batch(
            [peer.toBytes() for peer, entry in entries.items() if entry.forgotten],
            rows,
            [
                (peer.toBytes(), name, learnt)
                for peer, entry in entries.items()
                for (_, name), learnt in (entry.trimmed or {}).items()
                if isinstance(name, bytes)
            ],
            self._book.stamp(),
        )

    async def _merge(self, rows: Sequence[Row]) -> None:
        """
        Merge the rows of other programs, some in each turn of the reactor.
        """
        for start in range(0, len(rows), _SLICE):
            if start:
                await self._pause()
            self._book.merge(rows[start : start + _SLICE])

    def _pause(self) -> Deferred[None]:
        """
        Give other work a turn of the reactor.
        """
        return self._run(_nothing)

    def _locked(self, work: Callable[[], Any]) -> Deferred[None]:
        """
        Run a coroutine when no other one runs.
        """
        return self._lock.run(lambda: Deferred.fromCoroutine(work()))

    def _run(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Run a transaction on the thread of the database.
        """
        running: Deferred[Any] = self._pool.runWithConnection(work, *arguments)
        return running

    def _logOnce(self, failure: Failure) -> None:
        """
        Log, until it works again only once, that the database does not work; memory
        goes on.
        """
        if not self._logged:
            self._logged = True
            self._log.error("{reason}", reason=self._reason(failure))

    def _reason(self, failure: Failure) -> str:
        text = failure.getErrorMessage().strip().replace("\n", " ")
        return f"peerstore {self._backend.label}: {text}"


def _nothing(connection: Any) -> None:
    """
    A transaction that does nothing.
    """
