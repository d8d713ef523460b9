# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What every peerstore has to fulfil, as tests that third parties can run on
theirs::

    class MyPeerStoreTests(PeerStoreConformance, TestCase):
        async def open(self, limits: Limits) -> IPeerStore:
            store = MyPeerStore(self.clock, limits, self.path)
            await store.start()
            return store

        async def reopen(self, store: IPeerStore) -> IPeerStore:
            await store.stop()
            return await self.open(store.limits)
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import (
    InvalidKey,
    InvalidRecord,
    InvalidSignature,
    LimitExceeded,
)
from twisted_libp2p.identity import Identity, KeyType, PeerID
from twisted_libp2p.interfaces import Identification, IPeerStore, Source
from twisted_libp2p.peerstore import AddressInfo, Limits, PeerInfo, TagInfo

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    _TestCase = object

__all__ = ["PeerStoreConformance"]

_MINUTE = 60.0
_HOUR = 3600.0
_DAY = 86_400.0

_NOW = 1_750_000_000.0


def _tcp(port: int) -> Multiaddr:
    return Multiaddr(f"/ip4/192.0.2.1/tcp/{port}")


class PeerStoreConformance(_TestCase):
    """
    The tests.  To be mixed into a C{TestCase}.

    @ivar clock: the time, for L{open} to pass on.
    """

    _identity = Identity.generate()
    _numbers = count()

    async def open(self, limits: Limits) -> IPeerStore:
        """
        Make a peerstore that is ready for use, on the database that this test
        has to itself if there is one; it is stopped when the test is over.
        """
        raise NotImplementedError

    async def reopen(self, store: IPeerStore) -> IPeerStore:
        """
        Stop a peerstore, and open another one that knows what it has kept; a
        store that keeps nothing gives itself.
        """
        return store

    def setUp(self) -> None:
        """
        Make the time.
        """
        super().setUp()
        self.clock = Clock()
        self.clock.advance(_NOW)

    def _peer(self) -> PeerID:
        """
        Invent a peer.
        """
        return PeerID.fromBytes(b"\x12\x20" + next(self._numbers).to_bytes(32, "big"))

    def _record(
        self, sequence: int, *ports: int, identity: Identity | None = None
    ) -> bytes:
        """
        Sign a record.
        """
        identity = identity or self._identity
        addresses = tuple(map(_tcp, ports))
        return PeerRecord(identity.peerID, sequence, addresses).seal(identity)

    def _assertAddresses(
        self, store: IPeerStore, peer: PeerID, ports: Iterable[int]
    ) -> None:
        """
        These are the addresses of a peer, in this order.
        """
        self.assertEqual(store.addresses(peer), [_tcp(port) for port in ports])

    async def test_interface(self) -> None:
        """
        It provides the interface.
        """
        self.assertTrue(verifyObject(IPeerStore, await self.open(Limits())))

    async def test_unknown(self) -> None:
        """
        Nothing is known of a peer that nothing was said of, and to ask does
        not change that.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.removeAddresses(peer, [_tcp(1)])
        store.setAddresses(peer, [], Source.IDENTIFY)
        store.addAddresses(peer, [])
        store.failed(peer, _tcp(1))
        store.disconnected(peer)
        store.unprotect(peer)
        store.removeTag(peer, "tag")
        store.setMetadata(peer, "name", None)
        self.assertEqual(store.addresses(peer), [])
        self.assertEqual(store.certifiedAddresses(peer), [])
        self.assertEqual(await store.lookup(peer), [])
        self.assertIsNone(store.record(peer))
        self.assertIsNone(store.publicKey(peer))
        self.assertIsNone(store.dialect(peer))
        self.assertIsNone(store.info(peer))
        self.assertEqual(store.protocols(peer), ())
        self.assertEqual(store.tags(peer), {})
        self.assertEqual(store.metadata(peer), {})
        self.assertEqual(store.peers(), [])
        self.assertEqual(store.recent(10), [])

    # Addresses

    async def test_addresses(self) -> None:
        """
        What was said is known, what was said last is first, and also to the
        store that follows.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, [_tcp(1), _tcp(2)])
        self.clock.advance(1)
        store.addAddresses(peer, [_tcp(3)])
        for _ in range(2):
            self._assertAddresses(store, peer, [3, 1, 2])
            self.assertEqual(await store.lookup(peer), store.addresses(peer))
            self.assertEqual(store.peers(), [peer])
            store = await self.reopen(store)

    async def test_suffix(self) -> None:
        """
        The id of the peer is no part of its address, and an address with the
        id of another is not the peer's.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(
            peer, [_tcp(1).withPeer(peer), _tcp(1), _tcp(2).withPeer(self._peer())]
        )
        self._assertAddresses(store, peer, [1])
        store.removeAddresses(peer, [_tcp(1).withPeer(peer)])
        self._assertAddresses(store, peer, [])

    async def test_expiry(self) -> None:
        """
        An address is good for as long as its source is.
        """
        store = await self.open(Limits())
        for source, seconds in (
            (Source.DIALED, 15 * _MINUTE),
            (Source.IDENTIFY, _HOUR),
            (Source.RECORD, _HOUR),
            (Source.DISCOVERED, _HOUR),
        ):
            peer = self._peer()
            store.addAddresses(peer, [_tcp(1)], source)
            self.clock.advance(seconds - 1)
            store = await self.reopen(store)
            self._assertAddresses(store, peer, [1])
            self.clock.advance(1)
            self._assertAddresses(store, peer, [])
            store = await self.reopen(store)
            self._assertAddresses(store, peer, [])

    async def test_configured(self) -> None:
        """
        What the user has said does not expire.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, [_tcp(1)], Source.CONFIGURED)
        store.addAddresses(peer, [_tcp(1)], Source.DISCOVERED)
        self.clock.advance(1000 * _DAY)
        store.addAddresses(self._peer(), [_tcp(2)])
        for _ in range(2):
            self._assertAddresses(store, peer, [1])
            store = await self.reopen(store)

    async def test_ttl(self) -> None:
        """
        An address can be good for another time, and the longest one counts.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, [_tcp(1), _tcp(2)], ttl=120.0)
        store.addAddresses(peer, [_tcp(1)], ttl=240.0)
        store.addAddresses(peer, [_tcp(1)], ttl=60.0)
        self.clock.advance(120)
        store = await self.reopen(store)
        self._assertAddresses(store, peer, [1])
        self.clock.advance(120)
        self._assertAddresses(store, peer, [])

    async def test_connected(self) -> None:
        """
        The addresses of a connected peer do not expire; those that had before
        stay so.  After the last connection they are good for 15 minutes.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, [_tcp(1)], ttl=10.0)
        self.clock.advance(10)
        store.connected(peer, _tcp(2))
        store.addAddresses(peer, [_tcp(3)], ttl=10.0)
        store.connected(peer)
        self.clock.advance(_DAY)
        self._assertAddresses(store, peer, [2, 3])
        store.disconnected(peer)
        self.clock.advance(_DAY)
        self._assertAddresses(store, peer, [2, 3])
        store.disconnected(peer)
        store.disconnected(peer)
        self.clock.advance(15 * _MINUTE - 1)
        store = await self.reopen(store)
        self._assertAddresses(store, peer, [2, 3])
        self.clock.advance(1)
        self._assertAddresses(store, peer, [])

    async def test_replace(self) -> None:
        """
        What a source has to say takes the place of what it has said before,
        and of nothing that others have said.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.setAddresses(peer, map(_tcp, [1, 2, 3]), Source.IDENTIFY)
        store.addAddresses(peer, [_tcp(3)], Source.CONFIGURED)
        store.addAddresses(peer, [_tcp(4)], Source.DISCOVERED)
        self.clock.advance(1)
        store.setAddresses(peer, [_tcp(2)], Source.IDENTIFY)
        for _ in range(2):
            self.assertEqual(set(store.addresses(peer)), set(map(_tcp, [2, 3, 4])))
            store = await self.reopen(store)

    async def test_remove(self) -> None:
        """
        What was taken away is gone, until it is said again.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, map(_tcp, [1, 2]))
        store = await self.reopen(store)
        self.clock.advance(1)
        store.removeAddresses(peer, map(_tcp, [2, 3]))
        for _ in range(2):
            self._assertAddresses(store, peer, [1])
            store = await self.reopen(store)
        self.clock.advance(1)
        store.addAddresses(peer, [_tcp(2)])
        for _ in range(2):
            self._assertAddresses(store, peer, [2, 1])
            store = await self.reopen(store)

    async def test_rank(self) -> None:
        """
        What has worked last is first, what has failed last is last, and what
        was never tried is between; a success makes up for a failure.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.addAddresses(peer, map(_tcp, [1, 2, 3, 4, 5, 6]))
        for port, work in (
            (3, store.succeeded),
            (5, store.failed),
            (1, store.succeeded),
            (6, store.failed),
            (4, store.failed),
            (4, store.succeeded),
            (3, store.failed),
        ):
            self.clock.advance(1)
            work(peer, _tcp(port))
        for _ in range(2):
            self._assertAddresses(store, peer, [4, 1, 2, 5, 6, 3])
            store = await self.reopen(store)

    async def test_outcome(self) -> None:
        """
        A success tells of an address, a failure does not.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.succeeded(peer, _tcp(1))
        store.failed(peer, _tcp(2))
        self._assertAddresses(store, peer, [1])
        self.clock.advance(1)
        store.failed(peer, _tcp(1))
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            (address,) = info.addresses
            self.assertEqual(address.succeeded, _NOW)
            self.assertEqual(address.failed, _NOW + 1)
            self.assertEqual(address.source, Source.DIALED)
            store = await self.reopen(store)

    async def test_tooManyAddresses(self) -> None:
        """
        One peer has so many addresses and no more: those nearest to expiry
        go, and what has worked goes last.
        """
        store, peer = await self.open(Limits(addresses=4)), self._peer()
        store.succeeded(peer, _tcp(1))
        store.addAddresses(peer, [_tcp(2)], ttl=100.0)
        store.addAddresses(peer, [_tcp(3)], ttl=300.0)
        store.addAddresses(peer, [_tcp(4)], ttl=200.0)
        for port in range(5, 1000):
            store.addAddresses(peer, [_tcp(port)], ttl=250.0)
            self.assertLessEqual(len(store.addresses(peer)), 4)
        for _ in range(2):
            known = store.addresses(peer)
            self.assertEqual(len(known), 4)
            self.assertIn(_tcp(1), known)
            self.assertIn(_tcp(3), known)
            store = await self.reopen(store)
        store.addAddresses(peer, map(_tcp, range(5, 1000)))
        self.assertEqual(len(store.addresses(peer)), 4)

    async def test_undialable(self) -> None:
        """
        Of too many addresses, those that the node cannot dial go first, however
        long they last and wherever they are in the list; then those that were named
        last.
        """
        store, peer = await self.open(Limits(addresses=4)), self._peer()
        store.prefer(lambda address: "udp" not in address.names)
        others = [Multiaddr(f"/ip4/192.0.2.1/udp/{port}/quic-v1") for port in range(69)]
        for usual in ([_tcp(1), _tcp(2), *others], [*others, _tcp(1), _tcp(2)]):
            store.setAddresses(peer, usual, Source.IDENTIFY)
            known = store.addresses(peer)
            self.assertEqual(len(known), 4)
            self.assertEqual(set(known) - set(others), {_tcp(1), _tcp(2)})
            self.assertEqual(set(known) & set(others), set(others[:2]))
        store.addAddresses(peer, others, ttl=1e6)
        store.addAddresses(peer, [_tcp(3)], ttl=1.0)
        self.assertIn(_tcp(3), store.addresses(peer))
        mine = self._peer()
        store.addAddresses(mine, others[:1], Source.CONFIGURED)
        store.addAddresses(mine, map(_tcp, range(10)))
        self.assertIn(others[0], store.addresses(mine))

    async def test_undialableRecent(self) -> None:
        """
        Peers without an address that can be dialed are not among the recent ones.
        """
        store, good = await self.open(Limits()), self._peer()
        store.prefer(lambda address: "udp" not in address.names)
        store.connected(good)
        store.addAddresses(good, [_tcp(1)])
        store.disconnected(good)
        for _ in range(3):
            peer = Identity.generate().peerID
            store.connected(peer)
            store.addAddresses(peer, [Multiaddr("/ip4/192.0.2.1/udp/1/quic-v1")])
            store.disconnected(peer)
        self.assertEqual(store.recent(1), [good])
        self.assertEqual(store.recent(9), [good])

    # Signed records

    async def test_record(self) -> None:
        """
        A record gives addresses, and is kept to be passed on.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        store.addAddresses(peer, [_tcp(3)])
        envelope = self._record(7, 1, 2)
        self.assertTrue(store.addRecord(peer, envelope))
        for _ in range(2):
            self.assertEqual(store.record(peer), envelope)
            self.assertEqual(store.certifiedAddresses(peer), [_tcp(1), _tcp(2)])
            self.assertEqual(set(store.addresses(peer)), set(map(_tcp, [1, 2, 3])))
            store = await self.reopen(store)

    async def test_newerRecord(self) -> None:
        """
        A newer record replaces the addresses of the older one; an older one,
        the same, and another peer's change nothing.  Numbers have 64 bits.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        self.assertTrue(store.addRecord(peer, self._record(7, 1, 2)))
        self.clock.advance(1)
        newest = self._record(2**64 - 1, 2, 3)
        self.assertTrue(store.addRecord(peer, newest))
        foreign = self._record(9, 6, identity=Identity.generate())
        for _ in range(2):
            self.assertFalse(store.addRecord(peer, self._record(2**63, 4)))
            self.assertFalse(store.addRecord(peer, self._record(2**64 - 1, 5)))
            self.assertFalse(store.addRecord(peer, foreign))
            self.assertEqual(store.record(peer), newest)
            self.assertEqual(set(store.addresses(peer)), {_tcp(2), _tcp(3)})
            store = await self.reopen(store)

    async def test_usableRecord(self) -> None:
        """
        Of the addresses in a record those can be taken that mean anything;
        what is not in it does not come in that way.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        store.addRecord(peer, self._record(1, 1, 2), [_tcp(2), _tcp(3)])
        self._assertAddresses(store, peer, [2])

    async def test_invalidRecord(self) -> None:
        """
        What is no record, or wrongly signed, is refused.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        with self.assertRaises(InvalidRecord):
            store.addRecord(peer, b"\xff")
        envelope = bytearray(self._record(1, 1))
        envelope[-1] ^= 1
        with self.assertRaises(InvalidSignature):
            store.addRecord(peer, bytes(envelope))
        self.assertEqual(store.peers(), [])

    # What a peer is

    async def test_identified(self) -> None:
        """
        What a peer says replaces what it has said before, however often: after
        a thousand times only the last counts.
        """
        store, peer = await self.open(Limits()), self._peer()
        for turn in range(1000):
            store.learn(
                peer, Identification(f"agent/{turn}", "net/1", (f"/{turn}", "/a"))
            )
            store.setAddresses(peer, [_tcp(turn + 1)], Source.IDENTIFY)
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            self.assertEqual(info.agent, "agent/999")
            self.assertEqual(info.protocolVersion, "net/1")
            self.assertEqual(info.identifiedAt, _NOW)
            self.assertEqual(info.protocols, ("/999", "/a"))
            self.assertEqual(store.protocols(peer), ("/999", "/a"))
            self._assertAddresses(store, peer, [1000])
            store = await self.reopen(store)

    async def test_learnRecord(self) -> None:
        """
        Only those addresses of a signed record are stored that the peer reports too; a
        signed address that it no longer reports is dropped, with the same record as
        with a newer one.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        first = self._record(7, 1, 2, 3)
        for record, reported in (
            (first, [1, 2, 4]),
            (first, [2, 4]),
            (self._record(8, 4, 5), [2, 4]),
        ):
            self.clock.advance(1)
            addresses = tuple(map(_tcp, reported))
            store.learn(peer, Identification(listenAddresses=addresses, record=record))
            self.assertEqual(set(store.addresses(peer)), set(addresses))
            self.assertEqual(store.record(peer), record)
            signed = {1, 2, 3} if record is first else {4, 5}
            self.assertEqual(
                set(store.certifiedAddresses(peer)),
                {_tcp(port) for port in signed.intersection(reported)},
            )
        store = await self.reopen(store)
        self.assertEqual(store.certifiedAddresses(peer), [_tcp(4)])
        self.clock.advance(1)
        store.learn(peer, Identification(listenAddresses=(_tcp(2),)))
        self.assertEqual(store.certifiedAddresses(peer), [_tcp(4)])

    async def test_learnWrongRecord(self) -> None:
        """
        With a record that is not one nothing is stored; another peer's record is
        ignored.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        with self.assertRaises(InvalidRecord):
            store.learn(peer, Identification(agent="agent", record=b"\xff"))
        self.assertEqual(store.peers(), [])
        foreign = self._record(9, 1, identity=Identity.generate())
        listening = (_tcp(1),)
        store.learn(peer, Identification(listenAddresses=listening, record=foreign))
        self.assertEqual(store.addresses(peer), [_tcp(1)])
        self.assertEqual(store.certifiedAddresses(peer), [])
        self.assertIsNone(store.record(peer))

    async def test_strangeNames(self) -> None:
        """
        What is not printable is left out, and what is too much.
        """
        store, peer = await self.open(Limits(protocols=3)), self._peer()
        names = ["/a\n/b", "/c", "/\x00", "/\ud800", "/d", "/c", "/ö", "/e"]
        store.learn(peer, Identification("age\x00nt\ud800", "n\x1bet", tuple(names)))
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            self.assertEqual(info.agent, "agent")
            self.assertEqual(info.protocolVersion, "net")
            self.assertEqual(info.protocols, ("/c", "/d", "/ö"))
            store = await self.reopen(store)

    async def test_publicKey(self) -> None:
        """
        A key is kept that is not in the id; a key of another is refused.
        """
        store = await self.open(Limits())
        for type in (KeyType.RSA, KeyType.ED25519):
            identity = Identity.generate(type)
            peer = identity.peerID
            store.connected(peer)
            store.setPublicKey(peer, identity.publicKey)
            store.disconnected(peer)
            store = await self.reopen(store)
            self.assertEqual(store.publicKey(peer), identity.publicKey)
            with self.assertRaises(InvalidKey):
                store.setPublicKey(peer, self._identity.publicKey)
            self.assertEqual(store.publicKey(peer), identity.publicKey)

    async def test_dialect(self) -> None:
        """
        A dialect is believed for a day.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.setDialect(peer, "bootstrap")
        self.clock.advance(1)
        store.setDialect(peer, "multistream")
        self.clock.advance(_DAY - 1)
        store = await self.reopen(store)
        self.assertEqual(store.dialect(peer), "multistream")
        self.clock.advance(2)
        self.assertIsNone(store.dialect(peer))

    # What the application says

    async def test_tags(self) -> None:
        """
        Tags have values, and may expire.
        """
        store, peer = await self.open(Limits()), self._peer()
        store.setTag(peer, "keep", -(2**31))
        store.setTag(peer, "gone")
        store.setTag(peer, "short", 5, ttl=10.0)
        store.setTag(peer, "long", 2**31 - 1, ttl=20.0)
        store.removeTag(peer, "gone")
        self.clock.advance(10)
        for _ in range(2):
            self.assertEqual(store.tags(peer), {"keep": -(2**31), "long": 2**31 - 1})
            store = await self.reopen(store)
        self.clock.advance(10)
        self.assertEqual(store.tags(peer), {"keep": -(2**31)})

    async def test_wrongTags(self) -> None:
        """
        A tag that cannot be kept is refused.
        """
        store, peer = await self.open(Limits(tags=2)), self._peer()
        for name, value in (("a\x00", 0), ("a", 2**31), ("a", -(2**31) - 1)):
            with self.assertRaises(ValueError):
                store.setTag(peer, name, value)
        store.setTag(peer, "a", ttl=10.0)
        store.setTag(peer, "b")
        store.setTag(peer, "b", 1)
        with self.assertRaises(LimitExceeded):
            store.setTag(peer, "c")
        self.clock.advance(10)
        store.setTag(peer, "c", 2)
        self.assertEqual(store.tags(peer), {"b": 1, "c": 2})

    async def test_metadata(self) -> None:
        """
        Metadata are bytes under a name, and do not expire.
        """
        store, peer = await self.open(Limits(metadata=10)), self._peer()
        store.setMetadata(peer, "a", b"\x00\xff")
        store.setMetadata(peer, "b", b"2")
        store = await self.reopen(store)
        self.clock.advance(1)
        store.setMetadata(peer, "a", b"3")
        store.setMetadata(peer, "b", None)
        store.setMetadata(peer, "c", b"")
        with self.assertRaises(LimitExceeded):
            store.setMetadata(peer, "d", b"1234567")
        with self.assertRaises(ValueError):
            store.setMetadata(peer, "\x00", b"")
        self.clock.advance(1000 * _DAY)
        store.addAddresses(self._peer(), [_tcp(1)])
        for _ in range(2):
            self.assertEqual(store.metadata(peer), {"a": b"3", "c": b""})
            store = await self.reopen(store)

    # Bounds

    async def test_tooManyPeers(self) -> None:
        """
        There are never more peers than allowed; the nearest to expiry goes,
        and those that are connected or protected stay, and do not count.
        """
        store = await self.open(Limits(peers=10))
        connected, protected, long = self._peer(), self._peer(), self._peer()
        store.connected(connected)
        store.addAddresses(protected, [_tcp(1)], ttl=1.0)
        store.protect(protected)
        store.addAddresses(long, [_tcp(1)], ttl=2 * _HOUR)
        for _ in range(1000):
            store.addAddresses(self._peer(), [_tcp(1)])
            self.assertLessEqual(len(store.peers()), 12)
        known = store.peers()
        self.assertEqual(len(known), 12)
        self.assertEqual({connected, protected, long} - set(known), set())
        store.disconnected(connected)
        store.unprotect(protected)
        self.assertEqual(len(store.peers()), 10)
        self.assertNotIn(protected, store.peers())
        store = await self.reopen(store)
        self.assertIn(long, store.peers())

    async def test_flood(self) -> None:
        """
        A flood of invented peers does not wash away one that was really met,
        hours ago.
        """
        store, peer = await self.open(Limits(peers=10)), self._peer()
        store.connected(peer, _tcp(1))
        store.disconnected(peer)
        self.clock.advance(12 * _HOUR)
        for _ in range(1000):
            store.addAddresses(self._peer(), [_tcp(1)])
        self.assertIn(peer, store.peers())

    async def test_tooMuchMemory(self) -> None:
        """
        There is never more than fits into the memory that is allowed.
        """
        store = await self.open(Limits(memory=100_000))
        long = Multiaddr("/dns4/" + "a" * 1000)
        for _ in range(1000):
            store.addAddresses(self._peer(), [long])
        self.assertLess(len(store.peers()), 100)
        self.assertGreater(len(store.peers()), 10)

    async def test_connectedTakeAll(self) -> None:
        """
        Connected peers may take all the room: then there is none for others.
        """
        store = await self.open(Limits(memory=10_000))
        connected = [self._peer() for _ in range(100)]
        for peer in connected:
            store.connected(peer, _tcp(1))
        store.addAddresses(self._peer(), [_tcp(1)])
        self.assertEqual(store.peers(), connected)

    async def test_collected(self) -> None:
        """
        Peers of which nothing is good any more make room for others.
        """
        store = await self.open(Limits())
        for _ in range(100):
            store.addAddresses(self._peer(), [_tcp(1)])
        self.clock.advance(_HOUR + _MINUTE)
        for _ in range(20):
            store.addAddresses(self._peer(), [_tcp(1)])
        self.assertEqual(len(store.peers()), 20)

    # All that is known

    async def test_recent(self) -> None:
        """
        Those peers are recent that were connected, the last one first, unless
        they are now, or cannot be dialed.
        """
        store = await self.open(Limits())
        peers = [self._peer() for _ in range(4)]
        for peer in peers:
            store.connected(peer, _tcp(1))
            self.clock.advance(1)
        store.connected(self._peer())
        store.disconnected(store.peers()[-1])
        store.addAddresses(self._peer(), [_tcp(1)])
        for peer in (peers[1], peers[3], peers[0]):
            store.disconnected(peer)
            self.clock.advance(1)
        self.assertEqual(store.recent(10), [peers[0], peers[3], peers[1]])
        self.assertEqual(store.recent(2), [peers[0], peers[3]])
        store.disconnected(peers[2])
        store = await self.reopen(store)
        self.assertEqual(store.recent(2), [peers[2], peers[0]])

    async def test_recentMerit(self) -> None:
        """
        Peers that we have dialed come first, then those that have stayed for a
        while, then strangers, who may be many and the last to come.
        """
        store = await self.open(Limits())
        dialed, stayed, guest, configured = (self._peer() for _ in range(4))
        store.connected(dialed, _tcp(1))
        store.disconnected(dialed)
        store.addAddresses(configured, [_tcp(1)], Source.CONFIGURED)
        store.connected(configured)
        store.disconnected(configured)
        for peer, seconds in ((stayed, _MINUTE), (guest, _MINUTE - 1)):
            store.connected(peer)
            store.learn(peer, Identification("agent", "net", ("/a",)))
            store.addAddresses(peer, [_tcp(1)], Source.IDENTIFY)
            self.clock.advance(seconds)
            store.disconnected(peer)
        strangers = [self._peer() for _ in range(5)]
        for peer in strangers:
            self.clock.advance(1)
            store.connected(peer)
            store.addAddresses(peer, [_tcp(1)], Source.IDENTIFY)
            store.disconnected(peer)
        expected = [configured, dialed, stayed, *reversed(strangers), guest]
        self.assertEqual(store.recent(10), expected)
        self.assertEqual(store.recent(3), expected[:3])
        store = await self.reopen(store)
        self.assertEqual(store.recent(10), expected)

    async def test_info(self) -> None:
        """
        All that is known can be asked for at once.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        envelope = self._record(1, 1)
        store.connected(peer, _tcp(1))
        store.addRecord(peer, envelope)
        store.addAddresses(peer, [_tcp(2)], Source.CONFIGURED)
        store.learn(peer, Identification("agent", "net", ("/a",)))
        store.setDialect(peer, "bootstrap")
        store.setTag(peer, "tag", 3)
        store.setMetadata(peer, "name", b"value")
        expected: dict[str, Any] = {
            "peer": peer,
            "addresses": (
                AddressInfo(
                    address=_tcp(1),
                    source=Source.DIALED | Source.RECORD,
                    learnt=_NOW,
                    expires=_NOW + _HOUR,
                    succeeded=_NOW,
                ),
                AddressInfo(
                    address=_tcp(2),
                    source=Source.CONFIGURED,
                    learnt=_NOW,
                    expires=inf,
                ),
            ),
            "lastConnected": _NOW,
            "publicKey": self._identity.publicKey,
            "identifiedAt": _NOW,
            "agent": "agent",
            "protocolVersion": "net",
            "protocols": ("/a",),
            "record": envelope,
            "dialect": "bootstrap",
            "dialectLearntAt": _NOW,
            "tags": {"tag": TagInfo(value=3, learnt=_NOW, expires=inf)},
            "metadata": {"name": b"value"},
        }
        self.assertEqual(store.info(peer), PeerInfo(**expected, connected=True))
        store.disconnected(peer)
        store = await self.reopen(store)
        self.assertEqual(store.info(peer), PeerInfo(**expected))

    async def test_merge(self) -> None:
        """
        What another store knew is known afterwards, but what is newer here
        stays; to merge again changes nothing.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        store.addAddresses(peer, [_tcp(1)])
        store.learn(peer, Identification("new", "new", ()))
        envelope = self._record(1, 2)
        info = PeerInfo(
            peer=peer,
            addresses=tuple(
                AddressInfo(
                    address=_tcp(port),
                    source=Source.CONFIGURED,
                    learnt=_NOW - 1,
                    expires=expires,
                    failed=_NOW - 2,
                )
                for port, expires in ((1, _NOW + 1), (3, _NOW + 2), (4, _NOW))
            ),
            lastConnected=_NOW - 5,
            publicKey=self._identity.publicKey,
            identifiedAt=_NOW - 5,
            agent="old",
            protocolVersion="old",
            protocols=("/old",),
            record=envelope,
            dialect="multistream",
            dialectLearntAt=_NOW - 5,
            tags={"tag": TagInfo(value=1, learnt=_NOW - 1, expires=inf)},
            metadata={"name": b"value"},
        )
        store.merge(info)
        for _ in range(2):
            known = store.info(peer)
            assert known is not None
            self.assertEqual(
                {each.address: each.expires for each in known.addresses},
                {_tcp(1): _NOW + _HOUR, _tcp(3): _NOW + 2},
            )
            self.assertEqual({each.failed for each in known.addresses}, {_NOW - 2})
            self.assertEqual(known.lastConnected, _NOW - 5)
            self.assertEqual((known.agent, known.identifiedAt), ("new", _NOW))
            self.assertEqual(known.record, envelope)
            self.assertEqual(known.dialect, "multistream")
            self.assertEqual(store.tags(peer), {"tag": 1})
            self.assertEqual(store.metadata(peer), {"name": b"value"})
            store.merge(info)
            self.assertEqual(store.info(peer), known)
            store = await self.reopen(store)

    async def test_wrongMerge(self) -> None:
        """
        What another store cannot have known changes nothing.
        """
        store, peer = await self.open(Limits()), self._peer()
        identity = Identity.generate(KeyType.RSA)
        for wrong, error in (
            ({"publicKey": identity.publicKey}, InvalidKey),
            ({"record": b"\xff"}, InvalidRecord),
            ({"tags": {"\x00": TagInfo(value=0, learnt=1, expires=inf)}}, ValueError),
            ({"tags": {"a": TagInfo(value=2**31, learnt=1, expires=inf)}}, ValueError),
        ):
            options: dict[str, Any] = {"agent": "agent", **wrong}
            with self.assertRaises(error):
                store.merge(PeerInfo(peer=peer, **options))
        self.assertEqual(store.peers(), [])

    async def test_forget(self) -> None:
        """
        Nothing is known of a peer that was forgotten, but that it is
        connected; what comes later is.
        """
        store, peer = await self.open(Limits()), self._identity.peerID
        for _ in range(2):
            store.connected(peer, _tcp(1))
            store.learn(peer, Identification("agent", "net", ("/a",)))
            store.addRecord(peer, self._record(7, 1))
            store.setTag(peer, "tag")
            store.setMetadata(peer, "name", b"value")
            store.disconnected(peer)
            store = await self.reopen(store)
        store.connected(peer)
        self.clock.advance(1)
        store.forget(peer)
        info = store.info(peer)
        self.assertEqual(
            info,
            PeerInfo(peer=peer, connected=True, publicKey=self._identity.publicKey),
        )
        store.disconnected(peer)
        store.forget(peer)
        for _ in range(2):
            self.assertEqual(store.peers(), [])
            self.assertEqual(await store.lookup(peer), [])
            store = await self.reopen(store)
        store.forget(peer)
        store.addAddresses(peer, [_tcp(2)])
        for _ in range(2):
            self._assertAddresses(store, peer, [2])
            self.assertEqual(store.protocols(peer), ())
            store = await self.reopen(store)

    async def test_kept(self) -> None:
        """
        What was kept is known by now, and what is known can be kept at once.
        """
        store = await self.open(Limits())
        await store.whenLoaded()
        store.addAddresses(self._peer(), [_tcp(1)])
        await store.flush()
