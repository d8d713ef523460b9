# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that keeps a peerstore in a database, which other nodes may share.

Memory answers; the database follows.  What changes is written together with
whatever else has changed within a quarter of a second, and what other programs
have written is read at the same time, or every five seconds.
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

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore.backends import Backend, postgresql, sqlite
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.records import Limits, Record
from twisted_libp2p.peerstore.rows import Row
from twisted_libp2p.peerstore.snapshot import readable
from twisted_libp2p.peerstore.sql import Batch, Place

__all__ = ["PeerStoreService", "openPeerStore"]

#: Seconds from a change until it is written; what is left of the second, after
#: which nothing may be lost, is for the writing.
WRITE_DELAY: Final = 0.25

#: Seconds between two looks at what others have written; and until the next
#: attempt when the database is out of reach.
POLL_INTERVAL: Final = 5.0

#: Seconds between two clearings of what has expired.
SWEEP_INTERVAL: Final = 300.0

#: How many peers are read at once: they take a few milliseconds of the reactor's
#: time.
_PAGE: Final = 250

#: How many rows are written at once, roughly: many, for it is the end of a
#: transaction that takes long.
_BATCH: Final = 4000

#: How many rows are made or learnt in one turn of the reactor: they take a few
#: milliseconds.
_SLICE: Final = 1000

#: How many kept peers, with up to 64 addresses each, are prolonged in one turn.
_KEPT: Final = 50


class PeerStoreService(MemoryPeerStore, Service):
    """
    A peerstore that is kept in a database.
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
        @param reactor: what its thread reports to.
        @param backend: the database.
        @param limits: how much is known, and kept, at the most.
        @param clock: tells the time, if the reactor does not.
        """
        super().__init__(reactor if clock is None else clock, limits)
        self._reactor = reactor
        self._backend = backend
        self._journal = self._book.journal = Journal(self._schedule)
        self._lock = DeferredLock()
        self._pool: Any = None
        # The number up to which all is read; None before the first time.
        self._known: int | None = None
        self._loading: Deferred[None] | None = None
        self._loaded: Failure | bool = False
        self._waiting: list[Deferred[None]] = []
        self._writing: IDelayedCall | None = None
        self._loops: list[LoopingCall] = []
        self._complained = False

    def startService(self) -> None:
        """
        Start to load; L{whenLoaded} tells when that is done.
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
        Write what is not written yet, and close the database.
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
                self._complain(Failure())
        self._known, self._loaded = None, False
        self._tell(Failure(ConfigurationError("the peerstore has stopped")))
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    # What is kept

    def whenLoaded(self) -> Deferred[None]:
        """
        Wait until all that was kept is known.
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
        Write what is not written yet.
        """
        if not self.running:
            return fail(ConfigurationError("the peerstore is not running"))
        return self.whenLoaded().addCallback(lambda _: self._locked(self._exchange))

    def lookup(self, peer: PeerID | str) -> Deferred[list[Multiaddr]]:
        """
        Look into the database, if memory knows no address of the peer.
        """
        peer = PeerID.of(peer)
        known = self.addresses(peer)
        if known or self._pool is None:
            return succeed(known)
        looking: Deferred[Any] = self._run(self._backend.schema.find, peer.toBytes())
        looking.addCallbacks(self._found, self._missed, callbackArgs=(peer,))
        return looking.addCallback(lambda found: self.addresses(peer) or found or [])

    def _found(self, rows: Sequence[Row], peer: PeerID) -> list[Multiaddr]:
        """
        Learn what was looked up of a peer.

        @return: the addresses, for there may be no room for them in memory.
        """
        now = self.clock.seconds()
        record = Record()
        for row in rows:
            if not self._book.isPending(peer, row):
                record.take(row, now)
        self._book.take(rows)
        return readable(record.ranked(now))

    def _missed(self, failure: Failure) -> Failure | None:
        """
        Nothing could be looked up, or is wanted any more.
        """
        if failure.check(CancelledError):
            return failure
        self._complain(failure)
        return None

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
                await self._learn(rows)
                left -= _PAGE
        except Exception:
            failure = Failure()
            self._complain(failure)
            self._loaded = Failure(ConfigurationError(self._reason(failure)))
            self._tell(self._loaded)
        else:
            self._complained = False
            self._loaded = True
            self._tell(None)
            if self._journal:
                self._schedule()

    def _tell(self, result: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if result is None:
                each.callback(None)
            else:
                each.errback(result)

    # Writing and reading

    def _schedule(self) -> None:
        """
        Something has changed: write it soon.
        """
        if self.running and self._loaded is True and self._writing is None:
            self._writing = self.clock.callLater(WRITE_DELAY, self._write)

    def _write(self) -> None:
        self._writing = None
        self._locked(self._exchange).addErrback(self._complain)

    def _poll(self) -> Deferred[None] | None:
        """
        See what others have written, and try again what has failed.
        """
        if self._loaded is True:
            return self._locked(self._exchange).addErrback(self._complain)
        if self._loading is None:
            self._load()
        return None

    def _sweep(self) -> Deferred[None] | None:
        if self._loaded is not True:
            return None
        return self._locked(self._clear).addErrback(self._complain)

    async def _clear(self) -> None:
        """
        Prolong what is kept, and let go of what has expired, here and there.
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
        Write all that waits, and read all that is new.
        """
        left = self._journal.waiting
        more = True
        while more or left > 0:
            # Some may have been dropped, or become one, while others were written.
            entries = (left > 0 and self._journal.take(_BATCH)) or None
            left = left - len(entries) if entries else 0
            more = await self._exchangeOnce(entries)
        if self._journal:
            self._schedule()

    async def _exchangeLast(self) -> None:
        """
        Do so for the last time, and leave the time in the database.
        """
        await self._exchange()
        await self._exchangeOnce({})

    async def _exchangeOnce(self, entries: dict[PeerID, Entry] | None) -> bool:
        """
        Write and read once.

        @param entries: what was taken out of the journal; None to read only.
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
        self._complained = False
        await self._learn(rows)
        # Not before all of it is known here: otherwise it is read again.
        self._known = known
        return bool(more)

    async def _batch(self, entries: dict[PeerID, Entry]) -> Batch:
        """
        Make the rows of changed peers, a few in each turn of the reactor.
        """
        rows: list[Row] = []
        made = 0
        # Peers may leave memory, and so the entries, in between.
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

    async def _learn(self, rows: Sequence[Row]) -> None:
        """
        Learn what others have written, a few rows in each turn of the reactor.
        """
        for start in range(0, len(rows), _SLICE):
            if start:
                await self._pause()
            self._book.take(rows[start : start + _SLICE])

    def _pause(self) -> Deferred[None]:
        """
        Let others have the reactor.
        """
        return self._run(_nothing)

    def _locked(self, work: Callable[[], Any]) -> Deferred[None]:
        """
        Do something when nothing else is being done.
        """
        return self._lock.run(lambda: Deferred.fromCoroutine(work()))

    def _run(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Do something to the database, on its thread.
        """
        running: Deferred[Any] = self._pool.runWithConnection(work, *arguments)
        return running

    def _complain(self, failure: Failure) -> None:
        """
        Tell once that the database does not work; memory goes on.
        """
        if not self._complained:
            self._complained = True
            self._log.error("{reason}", reason=self._reason(failure))

    def _reason(self, failure: Failure) -> str:
        text = failure.getErrorMessage().strip().replace("\n", " ")
        return f"peerstore {self._backend.label}: {text}"


def _nothing(connection: Any) -> None:
    """
    Do nothing to a database.
    """


def openPeerStore(
    reactor: Any,
    description: str,
    limits: Limits | None = None,
    clock: IReactorTime | None = None,
) -> MemoryPeerStore:
    """
    Make a peerstore as it is described.

    @param reactor: what it runs on.
    @param description: C{memory:}, C{sqlite:PATH}, or C{postgresql:DSN}, where
        the DSN is as libpq takes it; a URL C{postgresql://...} is one, too.
    @param limits: how much it knows at the most.
    @param clock: tells the time, if the reactor does not.
    @return: the peerstore; if it is kept somewhere it is a
        L{PeerStoreService}, to be started.
    @raise ConfigurationError: it cannot be, and why, in one line.
    """
    kind, colon, rest = description.partition(":")
    if kind == "memory" and not rest:
        return MemoryPeerStore(reactor if clock is None else clock, limits)
    if kind == "sqlite" and colon:
        return PeerStoreService(reactor, sqlite(rest), limits, clock)
    if kind == "postgresql" and colon:
        dsn = description if rest.startswith("//") else rest
        return PeerStoreService(reactor, postgresql(dsn), limits, clock)
    raise ConfigurationError(
        # What follows may hold a password.
        f"no peerstore of the kind {kind!r}: it has to be memory:, sqlite:PATH or"
        " postgresql:DSN"
    )
