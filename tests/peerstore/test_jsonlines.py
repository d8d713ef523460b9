# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.jsonlines}.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.peerstore import MemoryPeerStore, dumpPeers, loadPeers

NOW = 1_750_000_000.5
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


class JSONLinesTests(SynchronousTestCase):
    """
    What is known, as text.
    """

    def setUp(self) -> None:
        """
        Make a store that knows all there is to know of a peer.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = MemoryPeerStore(self.clock)
        self.identity = Identity.generate(KeyType.ECDSA)
        self.peer = peer = self.identity.peerID
        self.store.connected(peer, ADDRESS)
        self.store.disconnected(peer)
        self.store.setPublicKey(peer, self.identity.publicKey)
        self.store.addRecord(peer, PeerRecord(peer, 1, (ADDRESS,)).seal(self.identity))
        self.store.addAddresses(peer, [Multiaddr("/dns4/ä")], Source.CONFIGURED)
        self.store.learn(peer, Identification("ägent", "net", ("/a", "/b")))
        self.store.setDialect(peer, "multistream")
        self.store.setTag(peer, "tag", -1)
        self.store.setTag(peer, "short", 2, 10.0)
        self.store.setMetadata(peer, "secret", b"secret")

    def load(self, *lines: str) -> tuple[MemoryPeerStore, int]:
        """
        Make a store that learns from lines.
        """
        store = MemoryPeerStore(self.clock)
        loading = Deferred.fromCoroutine(loadPeers(store, lines))
        return store, self.successResultOf(loading)

    def test_roundTrip(self) -> None:
        """
        Another store knows the same of it, but for the metadata.
        """
        (line,) = dumpPeers(self.store)
        self.assertNotIn("secret", line)
        store, count = self.load("", line, "\n")
        self.assertEqual(count, 1)
        info = self.store.info(self.peer)
        assert info is not None
        self.assertEqual(store.info(self.peer), replace(info, metadata={}))

    def test_readable(self) -> None:
        """
        People can read it, and tools.
        """
        (line,) = dumpPeers(self.store)
        told = json.loads(line)
        self.assertEqual(told["peer"], str(self.peer))
        self.assertEqual(told["agent"], "ägent")
        self.assertEqual(
            told["addresses"][0],
            {
                "address": str(ADDRESS),
                "source": ["dialed", "record"],
                "learnt": NOW,
                "expires": NOW + 3600.0,
                "succeeded": NOW,
            },
        )
        self.assertEqual(told["tags"]["tag"], {"value": -1, "learnt": NOW})

    def test_little(self) -> None:
        """
        What is not known is not written, and need not be there.
        """
        store = MemoryPeerStore(self.clock)
        store.protect(self.peer)
        (line,) = dumpPeers(store)
        self.assertEqual(json.loads(line), {"peer": str(self.peer), "addresses": []})
        store, count = self.load(json.dumps({"peer": str(self.peer)}))
        self.assertEqual(count, 1)
        self.assertEqual(store.addresses(self.peer), [])

    def test_formerNames(self) -> None:
        """
        Exports of earlier programs are read, whose names of some facts differ.
        """
        self.store.connected(self.peer)
        self.store.disconnected(self.peer)
        (line,) = dumpPeers(self.store)
        entry = json.loads(line)
        for now, before in (
            ("lastConnected", "met"),
            ("identifiedAt", "identified"),
            ("dialectLearntAt", "dialectLearnt"),
        ):
            entry[before] = entry.pop(now)
        store, _ = self.load(json.dumps(entry))
        self.assertEqual(list(dumpPeers(store)), [line])

    def test_flush(self) -> None:
        """
        A long text is written to the database bit by bit.
        """
        flushes = []

        class Store(MemoryPeerStore):
            def flush(self) -> Deferred[None]:
                flushes.append(1)
                return super().flush()

        (line,) = dumpPeers(self.store)
        self.successResultOf(
            Deferred.fromCoroutine(loadPeers(Store(self.clock), [line] * 2500))
        )
        self.assertEqual(len(flushes), 3)

    def test_wrong(self) -> None:
        """
        What is not what it ought to be is refused with the number of the line,
        and nothing worse happens.
        """
        (line,) = dumpPeers(self.store)
        told = json.loads(line)
        wrong: list[Any] = [None, True, [], {}, "", "x", -1, 1e400, {"a": 1}, [[]]]
        count = 0
        for path in (
            (),
            ("peer",),
            ("addresses",),
            ("addresses", 0),
            ("addresses", 0, "address"),
            ("addresses", 0, "source"),
            ("addresses", 0, "source", 0),
            ("addresses", 0, "learnt"),
            ("addresses", 0, "expires"),
            ("addresses", 0, "succeeded"),
            ("lastConnected",),
            ("publicKey",),
            ("agent",),
            ("protocols",),
            ("protocols", 0),
            ("record",),
            ("dialectLearntAt",),
            ("tags",),
            ("tags", "tag"),
            ("tags", "tag", "value"),
        ):
            for value in wrong:
                changed: Any = {"root": json.loads(line)}
                place = changed
                steps: tuple[Any, ...] = ("root", *path)
                for step in steps[:-1]:
                    place = place[step]
                place[steps[-1]] = value
                text = json.dumps(changed["root"])
                store = MemoryPeerStore(self.clock)
                loading = Deferred.fromCoroutine(loadPeers(store, ["", text]))
                results: list[Any] = []
                loading.addBoth(results.append)
                if results != [1]:
                    self.assertIsInstance(results[0].value, InvalidInput)
                    self.assertIn("line 2: ", results[0].getErrorMessage())
                    count += 1
        self.assertGreater(count, 100)
        self.assertEqual(told["peer"], str(self.peer))

    def test_forged(self) -> None:
        """
        Keys and records of others are not taken for the peer's.
        """
        (line,) = dumpPeers(self.store)
        told = json.loads(line)
        told["peer"] = str(Identity.generate(KeyType.ECDSA).peerID)
        store = MemoryPeerStore(self.clock)
        self.failureResultOf(
            Deferred.fromCoroutine(loadPeers(store, [json.dumps(told)])), InvalidInput
        )
        del told["publicKey"]
        store, _ = self.load(json.dumps(told))
        (peer,) = store.peers()
        self.assertIsNone(store.record(peer))

    def test_deep(self) -> None:
        """
        A text of nothing but brackets is refused as well.
        """
        for text in ("[" * 100_000, "{", "\x00"):
            loading = Deferred.fromCoroutine(loadPeers(self.store, [text]))
            self.failureResultOf(loading, InvalidInput)
