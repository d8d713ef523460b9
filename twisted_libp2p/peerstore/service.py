# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore on a database, which several nodes may share.

Memory answers, and the database follows.  All changes within a quarter of a second
are written together; the changes of other programs are read at the same time, when the
database notifies us of them, or every five seconds.

If the database loses what it had, or is another one than before, everything is read
again, and what memory knows better is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from secrets import randbits
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
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDatabase
from twisted_libp2p.logger import Logger
from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.batching import KEPT, SLICE, Comparison, makeBatch
from twisted_libp2p.peerstore.database import (
    PREPARE_TIME,
    STOP_TIME,
    TURN_TIME,
    Database,
)
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.notifications import Notifications
from twisted_libp2p.peerstore.outages import Outages
from twisted_libp2p.peerstore.readiness import Readiness
from twisted_libp2p.peerstore.records import Limits
from twisted_libp2p.peerstore.rows import Row
from twisted_libp2p.peerstore.shift import Shift
from twisted_libp2p.peerstore.snapshot import readable
from twisted_libp2p.peerstore.turn import Opened, Place, Position, Turn
from twisted_libp2p.peerstore.turnrecord import TurnRecord

__all__ = ["PeerStoreService"]

#: Seconds from a change until it is written.  A change must not be lost after a
#: second; the rest of the second is for writing it.
WRITE_DELAY: Final = 0.25

#: Seconds between two reads of the changes of other programs, and until the next
#: attempt if the database cannot be reached.
POLL_INTERVAL: Final = 5.0

#: Seconds between two sweeps, which delete expired rows.
SWEEP_INTERVAL: Final = 300.0

#: The number of peers that are read at once: a few milliseconds of work.
_PAGE: Final = 250

#: The number of rows that are written at once, roughly: many, because the end of a
#: transaction takes long.
_BATCH: Final = 4000


@implementer(IDatabase)
class PeerStoreService(MemoryPeerStore, Service):
    """
    A peerstore whose facts are also in a database.

    @ivar turns: the turns at the database.
    @ivar placeholder: the placeholder of a value in a statement.
    @ivar time: the expression of the time of the database.
    """

    name = "peerstore"
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        backend: Backend,
        limits: Limits | None = None,
        clock: IReactorTime | None = None,
        stored: int | None = None,
    ) -> None:
        """
        Make a store that is not started.

        @param reactor: the reactor that gets the results of the database's threads.
        @param backend: the database.
        @param limits: the bounds of memory.
        @param clock: the source of the time; the reactor by default.
        @param stored: the most peers in the database, for all programs that use it;
            None for as many as it may have by now, a million if nobody has said.
        """
        super().__init__(reactor if clock is None else clock, limits)
        self._reactor = reactor
        self._backend = backend
        self.placeholder = backend.schema.placeholder
        self.time = backend.schema.engine.seconds
        self._stored = stored
        self._journal = self._book.journal = Journal(self._schedule)
        self._outages = Outages(backend.label, self.clock)
        self._lock = DeferredLock()
        self._database: Database | None = None
        # The place up to which everything was read; None before the first time.
        self._known: Position | None = None
        self._shift = Shift()
        # Whether the schema has to be looked at: after a failure it may be gone.
        self._doubted = False
        self._loading: Deferred[None] | None = None
        self._loaded = Readiness()
        self._writing: IDelayedCall | None = None
        self._loops: list[LoopingCall] = []
        self._notifications = Notifications(
            reactor, backend, self._notified, self._outages.began
        )
        self.turns = TurnRecord(self._journal, self._loaded)
        # The mark of what we last wrote.
        self._mark = 0

    def startService(self) -> None:
        """
        Start to load; L{whenLoaded} fires at the end.
        """
        if self.running:
            return
        super().startService()
        self._database = Database(self._reactor, self.clock, self._backend)
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
        Write the remaining changes, and close the database; a database that does not
        answer is waited for up to L{STOP_TIME}.
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
        database = self._database
        if database is not None:
            giveUp = self.clock.callLater(STOP_TIME, database.abort)
            try:
                await self._end()
            finally:
                if giveUp.active():
                    giveUp.cancel()
        self._known, self._doubted = None, False
        self._loaded.begin(ConfigurationError("the peerstore has stopped"))
        self._notifications.close()
        self._database = None
        if database is not None:
            database.close()

    async def _end(self) -> None:
        """
        Write for the last time.
        """
        if self._loading is not None:
            await self._loading
        if self._known is not None:
            try:
                await self._locked(self._exchangeLast)
            except Exception:
                self._outages.began(Failure())

    # Storage

    def whenLoaded(self) -> Deferred[None]:
        """
        Return a Deferred that fires when all stored facts are in memory.
        """
        return self._loaded.wait()

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
        if known or self._database is None:
            return succeed(known)
        looking: Deferred[Any] = self._database.read(
            self._backend.schema.find, peer.toBytes(), self._shift
        )
        # Memory may have no room for the rows that were found.
        looking.addCallbacks(
            lambda rows: readable(self._book.take(peer, rows)), self._lookupFailed
        )
        return looking.addCallback(lambda found: self.addresses(peer) or found or [])

    def _lookupFailed(self, failure: Failure) -> Failure | None:
        """
        Log a failed lookup; pass on that one was cancelled.
        """
        if failure.check(CancelledError):
            return failure
        self._outages.began(failure)
        return None

    def transact(self, work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Run a transaction for another service, after those that wait.
        """
        if self._database is None:
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
            opened = await self._prepare()
            if self._backend.schema.engine.analyze is not None:
                await self._run(self._backend.schema.analyze, limit=PREPARE_TIME)
            # What others write meanwhile is read afterwards.
            self._known = opened.position
            await self._readAll(self._merge)
            if not self.running:
                return
        except Exception:
            failure = Failure()
            self._outages.began(failure)
            self._loaded.fail(ConfigurationError(self._outages.reason(failure)))
        else:
            self._outages.ended()
            self._loaded.succeed()
            self._open()
            if self._journal:
                self._schedule()

    async def _prepare(self) -> Opened:
        """
        Look at the schema.
        """
        opened: Opened = await self._run(
            self._backend.schema.prepare,
            randbits(63),
            self._shift,
            self.clock.seconds,
            self._stored,
            self._loaded.ready,
            limit=PREPARE_TIME,
        )
        self._shift = opened.shift
        return opened

    async def _readAll(
        self, take: Callable[[Sequence[Row]], Coroutine[Any, Any, None]]
    ) -> None:
        """
        Read all peers that memory has room for, unless we stop.

        @param take: called with the rows of some peers.
        """
        place: Place | None = Place()
        left = self.limits.peers
        while place is not None and left > 0 and self.running:
            rows, place = await self._run(
                self._backend.schema.page,
                place,
                self._shift,
                self.clock.seconds(),
                _PAGE,
            )
            await take(rows)
            left -= _PAGE

    async def _readAgain(self, position: Position) -> None:
        """
        Read another history than before, and write what memory has of the one before.

        @param position: the last transaction of the new history.
        """
        self._log.warn(
            "peerstore {label}: the database is not what it was, such as a copy that"
            " was behind: reading all of it, and writing what it has lost",
            label=self._backend.label,
        )
        self.turns.histories += 1
        self._journal.noteRemovals(self._book.has)
        comparison = Comparison(self._book, self._pause)

        async def take(rows: Sequence[Row]) -> None:
            await self._merge(rows)
            await comparison.compare(rows)

        # When we stop there is nothing to read, and everything is written.
        await self._readAll(take)
        for peer in comparison.lost:
            self._journal.noteAll(peer)
        self._known = position

    def _open(self) -> None:
        if self._database is not None:
            self._notifications.open(self._database)

    def _notified(self, text: str) -> None:
        """
        Read soon what another program has written.
        """
        if text != str(self._mark):
            since = self.clock.seconds() - self.turns.exchanged
            self._schedule(0.0 if since >= WRITE_DELAY else WRITE_DELAY)

    # Writing and reading

    def _schedule(self, delay: float = WRITE_DELAY) -> None:
        """
        Write a change soon.
        """
        if self.running and self._loaded.ready and self._writing is None:
            self._writing = self.clock.callLater(delay, self._write)

    def _write(self) -> None:
        self._writing = None
        self._locked(self._exchange).addErrback(self._outages.began)

    def _poll(self) -> Deferred[None] | None:
        """
        Read the changes of other programs; load again if loading has failed.
        """
        if self._loaded.ready:
            self._open()
            return self._locked(self._exchange).addErrback(self._outages.began)
        if self._loading is None:
            self._load()
        return None

    def _sweep(self) -> Deferred[None] | None:
        if not self._loaded.ready:
            return None
        return self._locked(self._sweepAll).addErrback(self._outages.began)

    async def _sweepAll(self) -> None:
        """
        Prolong the facts about kept peers, and drop expired ones, in memory and in the
        database.
        """
        kept = self._book.kept()
        for start in range(0, len(kept), KEPT):
            if start:
                await self._pause()
            self._book.refresh(kept[start : start + KEPT])
        while self._book.collect(_PAGE) == _PAGE:
            await self._pause()
        self._journal.forgetRemovals(self.clock.seconds())
        more = again = False
        while (more or not again) and self.running:
            more = await self._run(
                self._backend.schema.sweep, self._shift, self.clock.seconds, again
            )
            again = True

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
        if self._journal:
            # The database had lost something.
            await self._exchange()
        await self._exchangeOnce({})

    async def _exchangeOnce(self, entries: dict[PeerID, Entry] | None) -> bool:
        """
        Write and read once.

        @param entries: the entries that were taken from the journal; None to read only.
        @return: whether there is more to read.
        """
        began = self.clock.seconds()
        try:
            if self._doubted:
                await self._prepare()
                self._doubted = False
            batch = None
            if entries is not None:
                batch = await makeBatch(self._book, entries, self._pause)
                self._mark = batch.mark
            turn: Turn = await self._run(
                self._backend.schema.exchange,
                batch,
                self._known,
                self._shift,
                self.clock.seconds,
            )
        except BaseException:
            self._doubted = True
            self.turns.failures += 1
            self._journal.failed()
            raise
        self._journal.done(self.clock.seconds())
        self._outages.ended()
        self._shift = turn.shift
        self.turns.ended(began, self.clock.seconds())
        if turn.moved:
            await self._readAgain(turn.position)
            return True
        await self._merge(turn.rows)
        # Only now: if merging fails, these rows have to be read again.
        self._known = turn.position
        return turn.more

    async def _merge(self, rows: Sequence[Row]) -> None:
        """
        Merge the rows of other programs, some in each turn of the reactor.
        """
        for start in range(0, len(rows), SLICE):
            if start:
                await self._pause()
            self._book.merge(rows[start : start + SLICE])

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

    def _run(
        self, work: Callable[..., Any], *arguments: object, limit: float = TURN_TIME
    ) -> Deferred[Any]:
        """
        Run a transaction on the thread of the database.
        """
        assert self._database is not None
        return self._database.turn(work, *arguments, limit=limit)


def _nothing(connection: Any) -> None:
    """
    A transaction that does nothing.
    """
