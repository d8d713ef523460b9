# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests that text is taken wherever a peer id or an address is wanted, and that
anything else is answered in one line that shows what would be right.
"""

from __future__ import annotations

# What is given here is wrong on purpose.
# mypy: disable-error-code="arg-type,list-item,dict-item,type-var,misc"
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vector
from twisted_libp2p import Identity, Libp2pClientEndpoint, Libp2pServerEndpoint, Node
from twisted_libp2p.address import Multiaddr, PeerAddress, PeerRecord
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.connmanager.gater import AddressList
from twisted_libp2p.connmanager.tags import Tags
from twisted_libp2p.endpoints import parseClient, parseServer
from twisted_libp2p.errors import InvalidInput, Libp2pError
from twisted_libp2p.identity import KeyType, PeerID
from twisted_libp2p.interfaces import Identification, Source
from twisted_libp2p.limits import Limits
from twisted_libp2p.limits.limits import ScopeLimits
from twisted_libp2p.peerstore import MemoryPeerStore, PeerInfo
from twisted_libp2p.testing.nodes import MemoryNodes

TEXT = vector("key.test_identity_01")["peer_id"]
PEER = PeerID.fromText(TEXT)
ADDRESS = "/ip4/192.0.2.1/tcp/4001"

# What no peer id, and no address, is: text, bytes and objects of other kinds.
NO_PEER: tuple[Any, ...] = (
    "nobody",
    "",
    "Qm",
    ADDRESS,
    f"/p2p/{TEXT}",
    b"12D3",
    None,
    7,
    1.5,
    [],
    {},
)
NO_ADDRESS = ("", "nowhere", "/", "ip4/192.0.2.1", "/ipv4/192.0.2.1", "/ip4", b"/ip4")
NO_KIND = (None, 7, 1.5, object())


class PeerStoreTests(SynchronousTestCase):
    """
    Every function of a peerstore.
    """

    def setUp(self) -> None:
        """
        Make two peerstores: one is asked with objects, the other with text.
        """
        self.stores = MemoryPeerStore(Clock()), MemoryPeerStore(Clock())

    def arguments(self, name: str, peer: Any, address: Any) -> list[Any] | None:
        """
        Return arguments for a function; None if it takes no peer.
        """
        function = getattr(MemoryPeerStore, name)
        if "peer" not in inspect.signature(function).parameters:
            return None
        others = {
            "addAddresses": ([address],),
            "setAddresses": ([address], Source.DISCOVERED),
            "removeAddresses": ([address],),
            "succeeded": (address,),
            "failed": (address,),
            "addRecord": (b"", [address]),
            "learn": (Identification("agent", "network", ("/a",)),),
            "setPublicKey": (Identity.generate(KeyType.ED25519).publicKey,),
            "setDialect": ("multistream",),
            "connected": (address,),
            "setTag": ("tag", 3),
            "removeTag": ("tag",),
            "setMetadata": ("name", b"value"),
        }
        return [peer, *others.get(name, ())]

    def names(self) -> list[str]:
        """
        Return the names of all functions that take a peer.
        """
        return [
            name
            for name, _ in inspect.getmembers(MemoryPeerStore, inspect.isfunction)
            if not name.startswith("_") and self.arguments(name, PEER, None)
        ]

    def outcome(self, call: Callable[..., Any], arguments: list[Any]) -> Any:
        """
        Return the result of a call, or its error.
        """
        try:
            result = call(*arguments)
        except Libp2pError as error:
            return type(error), str(error)
        return getattr(result, "result", result)

    def test_text(self) -> None:
        """
        It does the same with text as with objects.
        """
        names = self.names()
        self.assertGreater(len(names), 20)
        for name in names:
            parsed = self.arguments(name, PEER, Multiaddr(ADDRESS))
            text = self.arguments(name, TEXT, ADDRESS)
            assert parsed is not None and text is not None
            if name == "setPublicKey":
                text[1] = parsed[1]
            objects, texts = self.stores
            self.assertEqual(
                self.outcome(getattr(texts, name), text),
                self.outcome(getattr(objects, name), parsed),
                name,
            )
            self.assertEqual(texts.info(PEER), objects.info(PEER), name)
            self.assertEqual(texts.peers(), objects.peers(), name)

    def test_single(self) -> None:
        """
        One address is no list of characters.
        """
        store, _ = self.stores
        store.addAddresses(TEXT, ADDRESS)
        self.assertEqual(store.addresses(TEXT), [Multiaddr(ADDRESS)])

    def test_refused(self) -> None:
        """
        Anything else is refused, and nothing is kept.
        """
        store, _ = self.stores
        for name in self.names():
            for peer in NO_PEER:
                arguments = self.arguments(name, peer, ADDRESS)
                assert arguments is not None
                with self.assertRaises(InvalidInput) as caught:
                    getattr(store, name)(*arguments)
                oneLine(self, caught.exception)
        for name in ("addAddresses", "setAddresses", "succeeded"):
            for address in NO_ADDRESS:
                arguments = self.arguments(name, TEXT, address)
                assert arguments is not None
                with self.assertRaises(InvalidInput) as caught:
                    getattr(store, name)(*arguments)
                oneLine(self, caught.exception)
        self.assertEqual(store.peers(), [])

    def test_info(self) -> None:
        """
        A description of a peer names it by its text.
        """
        self.assertEqual(PeerInfo(peer=TEXT).peer, PEER)
        with self.assertRaises(InvalidInput):
            PeerInfo(peer="nobody")


def oneLine(case: SynchronousTestCase, error: BaseException) -> None:
    """
    Check that an error is one short line.
    """
    case.assertNotIn("\n", str(error))
    case.assertTrue(0 < len(str(error)) < 250, error)


class ConnectionsTests(SynchronousTestCase):
    """
    Tags, protection, lists and limits.
    """

    def test_tags(self) -> None:
        """
        Tags are kept for the peer, however it is named.
        """
        tags = Tags(lambda: 0.0)
        tags.set(TEXT, "a", 3)
        tags.add(TEXT, "b", 4)
        tags.protect(TEXT, "c")
        for peer in (PEER, TEXT, PEER.toCID("base36")):
            self.assertEqual(tags.value(peer), 7)
            self.assertEqual(tags.get(peer, "a"), 3)
            self.assertTrue(tags.protected(peer))
        tags.remove(TEXT, "a")
        self.assertFalse(tags.unprotect(TEXT, "c"))
        self.assertEqual(tags.value(PEER), 4)
        self.assertFalse(tags.protected(PEER))
        for call in (
            lambda peer: tags.set(peer, "a", 1),
            lambda peer: tags.add(peer, "a", 1),
            lambda peer: tags.get(peer, "a"),
            lambda peer: tags.remove(peer, "a"),
            lambda peer: tags.protect(peer, "a"),
            lambda peer: tags.unprotect(peer, "a"),
            tags.value,
            tags.protected,
        ):
            for peer in NO_PEER:
                with self.assertRaises(InvalidInput) as caught:
                    call(peer)
                oneLine(self, caught.exception)

    def test_manager(self) -> None:
        """
        The connections of a peer are found and protected by its text.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        near, far = nodes.start(), nodes.start()
        connection, _ = nodes.connect(near, far)
        text = str(far.peerID)
        self.assertEqual(near.connections.to(text), [connection])
        near.connections.protect(text, "test")
        self.assertTrue(near.connections.tags.protected(far.peerID))
        near.connections.unprotect(text, "test")
        self.assertFalse(near.connections.tags.protected(far.peerID))
        for peer in NO_PEER:
            for call in (
                near.connections.to,
                lambda peer: near.connections.protect(peer, "test"),
                lambda peer: near.connections.unprotect(peer, "test"),
            ):
                with self.assertRaises(InvalidInput) as caught:
                    call(peer)
                oneLine(self, caught.exception)

    def test_lists(self) -> None:
        """
        A list takes entries of all kinds, and one alone; nothing else.
        """
        for entries in (TEXT, PEER, [TEXT], {PEER}):
            gater = ListGater(blocked=entries)
            self.assertIsNotNone(gater.secured(PEER, None, "inbound"))
        listed = AddressList(ADDRESS)
        self.assertTrue(listed.matches(Multiaddr(ADDRESS)))
        self.assertTrue(listed.matches(ADDRESS))
        for entry in ("nobody", b"12D3", None, 7, object()):
            with self.assertRaises(Libp2pError) as caught:
                AddressList([entry])
            oneLine(self, caught.exception)

    def test_limits(self) -> None:
        """
        The limits of a peer that is named by its text are those of the peer.
        """
        limits = Limits.scaled()
        own = ScopeLimits(connections=3)
        for name in (TEXT, PEER):
            changed = replace(limits, peers={name: own})
            self.assertEqual(changed.peers, {PEER: own})
        with self.assertRaises(InvalidInput):
            replace(limits, peers={"nobody": own})


class NodeTests(SynchronousTestCase):
    """
    What a node and its endpoints are given.
    """

    def test_targets(self) -> None:
        """
        A target that is nothing is the failure of the call, in one line.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start()
        peers = [each for each in NO_PEER if each not in (ADDRESS, f"/p2p/{TEXT}")]
        for target in [*peers, *NO_ADDRESS, *NO_KIND]:
            for call in (
                node.connect,
                node.ping,
                node.pinger,
                node.identify,
                lambda target: node.connector(target, "/a").connect(Factory()),
                lambda target: Libp2pClientEndpoint(
                    nodes.clock, target, "/a", node=node
                ).connect(Factory()),
            ):
                with self.assertRaises(InvalidInput) as caught:
                    nodes.result(call(target))
                oneLine(self, caught.exception)

    def test_listen(self) -> None:
        """
        A node listens on addresses in text, and on one alone.
        """
        reactor: Any = MemoryReactorClock()
        for listen in (ADDRESS, Multiaddr(ADDRESS), [ADDRESS], (Multiaddr(ADDRESS),)):
            Node(reactor, listen=listen)
        node = Node(reactor)
        for address in (*NO_ADDRESS, *NO_KIND):
            for call in (
                lambda address: Node(reactor, listen=[address]),
                lambda address: self.failureResultOf(
                    node.listenOn(address)
                ).raiseException(),
                lambda address: self.failureResultOf(
                    Deferred.fromCoroutine(node.stopListeningOn(address))
                ).raiseException(),
                lambda address: Libp2pServerEndpoint(reactor, address, "/a"),
            ):
                if address is None:
                    # An endpoint without an address uses those of the node.
                    continue
                with self.assertRaises(InvalidInput) as caught:
                    call(address)
                oneLine(self, caught.exception)

    def test_strings(self) -> None:
        """
        An endpoint string that names nothing is refused when it is read.
        """
        reactor: Any = MemoryReactorClock()
        for parse, text in (
            (parseClient, "nobody"),
            (parseClient, "/ipv4/192.0.2.1"),
            (parseServer, "nowhere"),
            (parseServer, "/ip4/192.0.2.1/tcp/x"),
        ):
            with self.assertRaises(InvalidInput) as caught:
                parse(reactor, text, protocol="/a")
            oneLine(self, caught.exception)

    def test_examples(self) -> None:
        """
        The line shows what would be right.
        """
        for read, value, shown in (
            (PeerID.of, "nobody", "12D3KooW"),
            (PeerID.of, None, "12D3KooW"),
            (PeerID.of, f"/p2p/{TEXT}", "/p2p/"),
            (Multiaddr.of, "192.0.2.1:4001", "/ip4/192.0.2.1/tcp/4001"),
            (Multiaddr.of, None, "/ip4/192.0.2.1/tcp/4001"),
            (Multiaddr.of, "/ipv4/192.0.2.1", "where ip4 could stand"),
            (Multiaddr.of, "/zzz/192.0.2.1", "where ip4 or tcp or p2p could stand"),
        ):
            with self.assertRaises(InvalidInput) as caught:
                read(value)
            self.assertIn(shown, str(caught.exception))

    def test_peerAddress(self) -> None:
        """
        An end of a stream is made of text, too.
        """
        text: Any = PeerAddress(TEXT, ADDRESS)
        self.assertEqual(text, PeerAddress(PEER, Multiaddr(ADDRESS)))
        with self.assertRaises(InvalidInput):
            PeerAddress("nobody")

    def test_record(self) -> None:
        """
        A signed record is made of text, too.
        """
        identity = Identity.generate()
        record: Any = PeerRecord(str(identity.peerID), 1, ADDRESS)
        opened = PeerRecord.open(record.seal(identity))
        self.assertEqual(opened.peerID, identity.peerID)
        self.assertEqual(opened.addresses, (Multiaddr(ADDRESS),))

    def test_addresses(self) -> None:
        """
        Addresses are put together, and taken apart, with text.
        """
        address = Multiaddr(ADDRESS)
        full = address.withPeer(TEXT)
        self.assertEqual(full.peerID, PEER)
        self.assertTrue(full.startsWith(ADDRESS))
        self.assertEqual(full.decapsulate("/p2p/" + TEXT), address)
        self.assertEqual(Multiaddr("/ip4/192.0.2.1").encapsulate("/tcp/4001"), address)
        self.assertEqual(Multiaddr.of(address), address)
        self.assertEqual(Multiaddr.several(ADDRESS), [address])
        for call in (address.encapsulate, address.decapsulate, address.startsWith):
            for other in (*NO_ADDRESS, *NO_KIND):
                with self.assertRaises(InvalidInput):
                    call(other)
