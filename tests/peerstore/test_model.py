# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore against a model: what is told it, what expires, and programs that
end in peace, or in the midst of it, and begin again with the file that is left.
"""

from __future__ import annotations

import sqlite3
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from shutil import copyfile
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from tests.peerstore.stores import NOW
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import FACTS_TTL, TTLS, PeerStoreService
from twisted_libp2p.peerstore.backends import sqlite
from twisted_libp2p.peerstore.service import POLL_INTERVAL, SWEEP_INTERVAL, WRITE_DELAY

IDENTITIES = [Identity.generate() for _ in range(4)]
ADDRESSES = [Multiaddr(f"/ip4/192.0.2.{number}/tcp/4001") for number in range(5)]

PEERS = st.integers(0, len(IDENTITIES) - 1)
SOME = st.lists(st.sampled_from(ADDRESSES), max_size=4, unique=True)
SOURCES = st.sampled_from(
    [Source.CONFIGURED, Source.IDENTIFY, Source.DISCOVERED, Source.DIALED]
)
LIFETIMES = st.sampled_from([None, 1.0, 60.0, 5000.0])
NAMES = st.sampled_from(["a", "b", "c"])


class Disk:
    """
    A file of SQLite's that is written to at once, unless it fails.

    @ivar failing: how many transactions are still to fail.
    """

    schema: Any
    label = "the disk"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failing = 0
        backend = sqlite(str(path))
        self.schema = backend.schema
        self._connection = sqlite3.connect(path)
        for statement in (*backend.settings, "PRAGMA synchronous = OFF"):
            self._connection.execute(statement)

    def pool(self, reactor: object) -> Disk:
        """
        Be one's own pool.
        """
        return self

    def runWithConnection(self, work: Any, *arguments: object) -> Deferred[Any]:
        """
        Run one transaction, or let it fail at its end.
        """
        try:
            result = work(self._connection, *arguments)
            if self.failing:
                self.failing -= 1
                raise sqlite3.OperationalError("disk I/O error")
            self._connection.commit()
        except Exception:
            self._connection.rollback()
            return fail()
        return succeed(result)

    def abort(self) -> None:
        """
        Nothing ever takes long.
        """

    def close(self) -> None:
        """
        Close the file.
        """
        self._connection.close()

    def crash(self, path: Path, now: float) -> Disk:
        """
        Take what is on the disk now, in the midst of everything.

        @param path: where to put it.
        @param now: the time.  That lifetimes stand still while no program has
            written for a minute is not part of the model.
        """
        for suffix in ("", "-wal"):
            source = Path(f"{self.path}{suffix}")
            if source.exists():
                copyfile(source, f"{path}{suffix}")
        self.close()
        disk = Disk(path)
        with disk._connection as connection:
            connection.execute("UPDATE store SET awake = ?", (now,))
        return disk


@dataclass
class Facts:
    """
    What is known of one peer.

    @ivar addresses: their sources, and when they expire.
    @ivar facts: when something was learnt of the peer itself.
    """

    addresses: dict[Multiaddr, tuple[int, float]] = field(default_factory=dict)
    tags: dict[str, tuple[int, float]] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()
    dialect: tuple[str, float] = ("", 0.0)
    record: tuple[int, bytes] = (0, b"")
    facts: float = 0.0
    protected: bool = False

    def due(self) -> float:
        """
        Until when all of it has to be known.
        """
        if self.metadata or self.protected:
            return inf
        times = [expires for _, expires in self.addresses.values()]
        times += [expires for _, expires in self.tags.values()]
        return max([self.facts + FACTS_TTL if self.facts else 0.0, *times])


class StoreModel(RuleBasedStateMachine):
    """
    A peerstore, and what it has been told.
    """

    def __init__(self, case: SynchronousTestCase) -> None:
        super().__init__()
        self.case = case
        self.folder = Path(case.mktemp())
        self.folder.mkdir(parents=True)
        self.files = 0
        self.clock = Clock()
        self.clock.advance(NOW)
        self.known: dict[int, Facts] = {}
        self.stored: dict[int, Facts] = {}
        # Of whom all has expired, at some time.
        self.expired: set[int] = set()

    @initialize()
    def begin(self) -> None:
        """
        Begin with an empty file.
        """
        self.open(Disk(self.file()))

    def file(self) -> Path:
        """
        Think of a new file.
        """
        self.files += 1
        return self.folder / f"{self.files}.db"

    def open(self, disk: Disk) -> None:
        """
        Begin with what is on a disk.
        """
        self.disk = disk
        backend: Any = disk
        self.store = PeerStoreService(None, backend, clock=self.clock)
        self.store.startService()
        self.case.successResultOf(self.store.whenLoaded())
        now = self.clock.seconds()
        self.known = deepcopy(self.stored)
        for facts in self.known.values():
            facts.protected = False
            facts.addresses = _lasting(facts.addresses, now)
            facts.tags = _lasting(facts.tags, now)

    def of(self, peer: int) -> Facts:
        """
        What is known of a peer, to be changed.
        """
        return self.known.setdefault(peer, Facts())

    @property
    def now(self) -> float:
        """
        The time.
        """
        return self.clock.seconds()

    # What it is told

    @rule(peer=PEERS, addresses=SOME, source=SOURCES, ttl=LIFETIMES)
    def add(
        self, peer: int, addresses: list[Multiaddr], source: Source, ttl: float | None
    ) -> None:
        """
        Addresses of a peer.
        """
        self.store.addAddresses(IDENTITIES[peer].peerID, addresses, source, ttl)
        if addresses:
            self.added(self.of(peer), addresses, source, ttl)

    def added(
        self,
        facts: Facts,
        addresses: list[Multiaddr],
        source: Source,
        ttl: float | None = None,
    ) -> None:
        """
        Addresses are prolonged, never shortened.
        """
        expires = self.now + (TTLS[source] if ttl is None else ttl)
        for address in addresses:
            sources, before = facts.addresses.get(address, (0, 0.0))
            facts.addresses[address] = (sources | source, max(before, expires))
        facts.addresses = _lasting(facts.addresses, self.now)

    @rule(peer=PEERS, addresses=SOME, source=SOURCES)
    def replace(self, peer: int, addresses: list[Multiaddr], source: Source) -> None:
        """
        All addresses that one source has.
        """
        self.store.setAddresses(IDENTITIES[peer].peerID, addresses, source)
        if addresses or peer in self.known:
            self.replaced(self.of(peer), addresses, source)

    def replaced(
        self, facts: Facts, addresses: list[Multiaddr], source: Source
    ) -> None:
        """
        What the source tells no more goes, unless another one tells it.
        """
        for address, (sources, expires) in list(facts.addresses.items()):
            if address not in addresses and sources & source:
                facts.addresses[address] = (sources & ~source, expires)
                if not sources & ~source:
                    del facts.addresses[address]
        self.added(facts, addresses, source)

    @rule(peer=PEERS, addresses=SOME)
    def remove(self, peer: int, addresses: list[Multiaddr]) -> None:
        """
        Where a peer is not.
        """
        self.store.removeAddresses(IDENTITIES[peer].peerID, addresses)
        if peer in self.known:
            for address in addresses:
                self.known[peer].addresses.pop(address, None)

    @rule(peer=PEERS, sequence=st.integers(1, 5))
    def certify(self, peer: int, sequence: int) -> None:
        """
        A signed record; an old one counts for nothing.
        """
        identity = IDENTITIES[peer]
        told = tuple(ADDRESSES[sequence - 1 :])
        envelope = PeerRecord(identity.peerID, sequence, told).seal(identity)
        newer = sequence > self.known.get(peer, Facts()).record[0]
        assert self.store.addRecord(identity.peerID, envelope) == newer
        if newer:
            self.of(peer).record = (sequence, envelope)
            self.replaced(self.of(peer), list(told), Source.RECORD)

    @rule(peer=PEERS, name=NAMES, value=st.integers(-9, 9), ttl=LIFETIMES)
    def tag(self, peer: int, name: str, value: int, ttl: float | None) -> None:
        """
        A tag.
        """
        self.store.setTag(IDENTITIES[peer].peerID, name, value, ttl)
        expires = inf if ttl is None else self.now + ttl
        self.of(peer).tags[name] = (value, expires)

    @rule(peer=PEERS, name=NAMES)
    def untag(self, peer: int, name: str) -> None:
        """
        A tag no more.
        """
        self.store.removeTag(IDENTITIES[peer].peerID, name)
        if peer in self.known:
            self.known[peer].tags.pop(name, None)

    @rule(peer=PEERS, name=NAMES, value=st.none() | st.binary(max_size=9))
    def note(self, peer: int, name: str, value: bytes | None) -> None:
        """
        What the application wants to know, or wants to know no more.
        """
        self.store.setMetadata(IDENTITIES[peer].peerID, name, value)
        if value is not None:
            self.of(peer).metadata[name] = value
        elif peer in self.known:
            self.known[peer].metadata.pop(name, None)

    @rule(
        peer=PEERS,
        protocols=st.lists(st.sampled_from(["/a", "/b"]), unique=True),
        addresses=SOME,
    )
    def identify(
        self, peer: int, protocols: list[str], addresses: list[Multiaddr]
    ) -> None:
        """
        A peer reports what it is, and where.
        """
        self.store.learn(
            IDENTITIES[peer].peerID,
            Identification("agent", "", tuple(protocols), tuple(addresses)),
        )
        facts = self.of(peer)
        facts.protocols, facts.facts = tuple(protocols), self.now
        self.replaced(facts, addresses, Source.IDENTIFY)

    @rule(peer=PEERS, dialect=st.sampled_from(["multistream", "bootstrap"]))
    def speak(self, peer: int, dialect: str) -> None:
        """
        How a peer negotiates.
        """
        self.store.setDialect(IDENTITIES[peer].peerID, dialect)
        facts = self.of(peer)
        facts.dialect, facts.facts = (dialect, self.now), self.now

    @rule(peer=PEERS, protect=st.booleans())
    def protect(self, peer: int, protect: bool) -> None:
        """
        That a peer is to be kept, or not.
        """
        if protect:
            self.store.protect(IDENTITIES[peer].peerID)
            self.of(peer).protected = True
        else:
            self.store.unprotect(IDENTITIES[peer].peerID)
            if peer in self.known:
                self.known[peer].protected = False

    @rule(peer=PEERS)
    def forget(self, peer: int) -> None:
        """
        That a peer is to be forgotten.
        """
        self.store.forget(IDENTITIES[peer].peerID)
        if peer in self.known:
            self.known[peer] = Facts(protected=self.known[peer].protected)

    # What happens to it

    @rule(
        seconds=st.sampled_from(
            [0.1, 1.0, POLL_INTERVAL, 61.0, SWEEP_INTERVAL, 3601.0, FACTS_TTL + 1]
        )
    )
    def wait(self, seconds: float) -> None:
        """
        Time goes by.
        """
        self.clock.advance(min(WRITE_DELAY, seconds))
        self.remember()
        self.clock.advance(max(0.0, seconds - WRITE_DELAY))

    @rule(times=st.integers(1, 3))
    def fail(self, times: int) -> None:
        """
        The disk fails a few times.
        """
        self.disk.failing += times

    @rule()
    def crash(self) -> None:
        """
        The program dies; it begins again with what is on the disk.
        """
        disk = self.disk.crash(self.file(), self.now)
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()
        self.open(disk)

    @rule()
    def restart(self) -> None:
        """
        The program ends in peace: all is there when it begins again.
        """
        self.disk.failing = 0
        self.stop()
        assert self.stored == self.known
        self.open(Disk(self.disk.path))

    def stop(self) -> None:
        """
        End in peace.
        """
        self.case.successResultOf(self.store.stopService())
        self.remember()
        assert not self.clock.getDelayedCalls()

    # What must be so at any time

    def remember(self) -> None:
        """
        What does not wait any more is on the disk.
        """
        if not self.store._journal:
            self.stored = deepcopy(self.known)

    @invariant()
    def indexed(self) -> None:
        """
        Each record is where it belongs, and measured: no change was forgotten.
        """
        book = self.store._book
        kept = set(book.kept())
        for peer, record in book.records():
            assert record.size == record.measure(), peer
            assert (peer in kept) == record.kept, peer
            due = None if record.kept else record.due()
            page = due if due is None or due == inf else due // 60.0
            assert record.page == page, (peer, record.page, page)
        assert book._size == sum(record.size for _, record in book.records())

    @invariant()
    def told(self) -> None:
        """
        It tells what it was told, as long as that lasts.
        """
        if not hasattr(self, "store"):
            return
        # No clock stands still.
        self.clock.advance(0.001)
        self.remember()
        now = self.now
        peers = set(self.store.peers())
        for number, identity in enumerate(IDENTITIES):
            facts = self.known.get(number, Facts())
            peer = identity.peerID
            if peer not in peers:
                assert facts.due() <= now, (number, facts)
                if self.known.pop(number, None) is not None:
                    self.expired.add(number)
                continue
            live = set(_lasting(facts.addresses, now))
            assert set(self.store.addresses(peer)) == live, (number, facts)
            tags = _lasting(facts.tags, now)
            told = {name: value for name, (value, _) in tags.items()}
            assert self.store.tags(peer) == told, (number, facts)
            assert self.store.metadata(peer) == facts.metadata, (number, facts)
            assert self.store.protocols(peer) == facts.protocols, (number, facts)
            self.certified(number, facts)
            dialect, spoken = facts.dialect
            fresh = now - spoken <= FACTS_TTL
            assert self.store.dialect(peer) == (dialect if fresh else None)
        failures = self.case.flushLoggedErrors()
        assert not failures, failures

    def certified(self, number: int, facts: Facts) -> None:
        """
        The record is the last one; or one that is newer still, if it expired
        here, but not on the disk yet.
        """
        envelope = self.store.record(IDENTITIES[number].peerID) or b""
        if envelope != facts.record[1]:
            assert number in self.expired
            sequence = PeerRecord.open(envelope).sequence
            assert sequence > facts.record[0]
            facts.record = (sequence, envelope)

    def teardown(self) -> None:
        """
        In the end nothing is left to be done.
        """
        if hasattr(self, "store"):
            self.disk.failing = 0
            self.stop()


def _lasting(items: dict[Any, tuple[int, float]], now: float) -> dict[Any, Any]:
    """
    Pick what has not expired.
    """
    return {name: each for name, each in items.items() if each[1] > now}


class ModelTests(SynchronousTestCase):
    """
    Nothing that is stored is lost, and nothing that is gone comes back.
    """

    def test_model(self) -> None:
        """
        Any order of writes, expiries, failures of the disk and crashes.
        """
        explore(lambda: StoreModel(self), 40, 40)
