# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of a peerstore as a whole.
"""

from __future__ import annotations

from math import inf
from typing import Any

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    InvalidKey,
    InvalidRecord,
)
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import (
    AddressInfo,
    Identification,
    PeerInfo,
    Source,
    TagInfo,
)
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    HOUR,
    MINUTE,
    NOW,
    PeerStoreCase,
    tcp,
)

__all__ = ["PeerTests"]


class PeerTests(PeerStoreCase):
    """
    All facts about a peer, and all peers.
    """

    async def test_unknown(self) -> None:
        """
        Nothing is known about a new peer, and asking does not change that.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.removeAddresses(peer, [tcp(1)])
        store.setAddresses(peer, [], Source.IDENTIFY)
        store.addAddresses(peer, [])
        store.failed(peer, tcp(1))
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

    async def test_recent(self) -> None:
        """
        Recent peers are those that were connected and are not now, latest first, if
        they can be dialed.
        """
        store = await self.open(Limits())
        peers = [self.peer() for _ in range(4)]
        for peer in peers:
            store.connected(peer, tcp(1))
            self.clock.advance(1)
        store.connected(self.peer())
        store.disconnected(store.peers()[-1])
        store.addAddresses(self.peer(), [tcp(1)])
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
        Peers that we have dialed come first, then those that have stayed for a while,
        then strangers, even if these are many and the last to come.
        """
        store = await self.open(Limits())
        dialed, stayed, guest, configured = (self.peer() for _ in range(4))
        store.connected(dialed, tcp(1))
        store.disconnected(dialed)
        store.addAddresses(configured, [tcp(1)], Source.CONFIGURED)
        store.connected(configured)
        store.disconnected(configured)
        for peer, seconds in ((stayed, MINUTE), (guest, MINUTE - 1)):
            store.connected(peer)
            store.learn(peer, Identification("agent", "net", ("/a",)))
            store.addAddresses(peer, [tcp(1)], Source.IDENTIFY)
            self.clock.advance(seconds)
            store.disconnected(peer)
        strangers = [self.peer() for _ in range(5)]
        for peer in strangers:
            self.clock.advance(1)
            store.connected(peer)
            store.addAddresses(peer, [tcp(1)], Source.IDENTIFY)
            store.disconnected(peer)
        expected = [configured, dialed, stayed, *reversed(strangers), guest]
        self.assertEqual(store.recent(10), expected)
        self.assertEqual(store.recent(3), expected[:3])
        store = await self.reopen(store)
        self.assertEqual(store.recent(10), expected)

    async def test_undialableRecent(self) -> None:
        """
        Peers without an address that can be dialed are not among the recent ones.
        """
        store, good = await self.open(Limits()), self.peer()
        store.prefer(lambda address: "udp" not in address.names)
        store.connected(good)
        store.addAddresses(good, [tcp(1)])
        store.disconnected(good)
        for _ in range(3):
            peer = Identity.generate().peerID
            store.connected(peer)
            store.addAddresses(peer, [Multiaddr("/ip4/192.0.2.1/udp/1/quic-v1")])
            store.disconnected(peer)
        self.assertEqual(store.recent(1), [good])
        self.assertEqual(store.recent(9), [good])

    async def test_info(self) -> None:
        """
        All facts about a peer can be read at once.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        envelope = self.sign(1, 1)
        store.connected(peer, tcp(1))
        store.addRecord(peer, envelope)
        store.addAddresses(peer, [tcp(2)], Source.CONFIGURED)
        store.learn(peer, Identification("agent", "net", ("/a",)))
        store.setDialect(peer, "bootstrap")
        store.setTag(peer, "tag", 3)
        store.setMetadata(peer, "name", b"value")
        expected: dict[str, Any] = {
            "peer": peer,
            "addresses": (
                AddressInfo(
                    address=tcp(1),
                    source=Source.DIALED | Source.RECORD,
                    learnt=NOW,
                    expires=NOW + HOUR,
                    succeeded=NOW,
                ),
                AddressInfo(
                    address=tcp(2),
                    source=Source.CONFIGURED,
                    learnt=NOW,
                    expires=inf,
                ),
            ),
            "lastConnected": NOW,
            "publicKey": self.identity.publicKey,
            "identifiedAt": NOW,
            "agent": "agent",
            "protocolVersion": "net",
            "protocols": ("/a",),
            "record": envelope,
            "dialect": "bootstrap",
            "dialectLearntAt": NOW,
            "tags": {"tag": TagInfo(value=3, learnt=NOW, expires=inf)},
            "metadata": {"name": b"value"},
        }
        self.assertEqual(store.info(peer), PeerInfo(**expected, connected=True))
        store.disconnected(peer)
        store = await self.reopen(store)
        self.assertEqual(store.info(peer), PeerInfo(**expected))

    async def test_merge(self) -> None:
        """
        Facts of another store are taken over, except where newer ones are known;
        merging again changes nothing.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        store.addAddresses(peer, [tcp(1)])
        store.learn(peer, Identification("new", "new", ()))
        envelope = self.sign(1, 2)
        info = PeerInfo(
            peer=peer,
            addresses=tuple(
                AddressInfo(
                    address=tcp(port),
                    source=Source.CONFIGURED,
                    learnt=NOW - 1,
                    expires=expires,
                    failed=NOW - 2,
                )
                for port, expires in ((1, NOW + 1), (3, NOW + 2), (4, NOW))
            ),
            lastConnected=NOW - 5,
            publicKey=self.identity.publicKey,
            identifiedAt=NOW - 5,
            agent="old",
            protocolVersion="old",
            protocols=("/old",),
            record=envelope,
            dialect="multistream",
            dialectLearntAt=NOW - 5,
            tags={"tag": TagInfo(value=1, learnt=NOW - 1, expires=inf)},
            metadata={"name": b"value"},
        )
        store.merge(info)
        for _ in range(2):
            known = store.info(peer)
            assert known is not None
            self.assertEqual(
                {each.address: each.expires for each in known.addresses},
                {tcp(1): NOW + HOUR, tcp(3): NOW + 2},
            )
            self.assertEqual({each.failed for each in known.addresses}, {NOW - 2})
            self.assertEqual(known.lastConnected, NOW - 5)
            self.assertEqual((known.agent, known.identifiedAt), ("new", NOW))
            self.assertEqual(known.record, envelope)
            self.assertEqual(known.dialect, "multistream")
            self.assertEqual(store.tags(peer), {"tag": 1})
            self.assertEqual(store.metadata(peer), {"name": b"value"})
            store.merge(info)
            self.assertEqual(store.info(peer), known)
            store = await self.reopen(store)

    async def test_wrongMerge(self) -> None:
        """
        Facts that no other store can have change nothing.
        """
        store, peer = await self.open(Limits()), self.peer()
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
        A forgotten peer is unknown, except that it is connected; later facts are
        stored.
        """
        store, peer = await self.open(Limits()), self.identity.peerID
        for _ in range(2):
            store.connected(peer, tcp(1))
            store.learn(peer, Identification("agent", "net", ("/a",)))
            store.addRecord(peer, self.sign(7, 1))
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
            PeerInfo(peer=peer, connected=True, publicKey=self.identity.publicKey),
        )
        store.disconnected(peer)
        store.forget(peer)
        for _ in range(2):
            self.assertEqual(store.peers(), [])
            self.assertEqual(await store.lookup(peer), [])
            store = await self.reopen(store)
        store.forget(peer)
        store.addAddresses(peer, [tcp(2)])
        for _ in range(2):
            self.assertAddresses(store, peer, [2])
            self.assertEqual(store.protocols(peer), ())
            store = await self.reopen(store)

    async def test_kept(self) -> None:
        """
        The store has loaded, and its facts can be written at once.
        """
        store = await self.open(Limits())
        await store.whenLoaded()
        store.addAddresses(self.peer(), [tcp(1)])
        await store.flush()
