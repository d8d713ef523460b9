# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.answers}.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.answers import MAX_PROVIDERS, RECENT, Asker, Server
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.messages import Message, MessageType, NamedPeer, Value
from twisted_libp2p.dht.providers import LIFETIME, MAX_PER_KEY, ProviderStore
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.dht.validators import AnyValue, PublicKeyValidator, Validators
from twisted_libp2p.dht.values import MAX_PER_PEER, ValueStore
from twisted_libp2p.errors import InvalidRecord, ProtocolViolation
from twisted_libp2p.identity import Identity, PeerID

PUBLIC = Multiaddr("/ip4/45.45.0.1/tcp/4001")
PRIVATE = Multiaddr("/ip4/192.168.0.1/tcp/4001")
OWN = PeerID(b"\x12\x20" + b"o" * 32)


def peer(number: int) -> PeerID:
    """
    Make a peer id.
    """
    return PeerID(b"\x12\x20" + number.to_bytes(32, "big"))


class Greater(AnyValue):
    """
    Prefers the greater value, and refuses C{bad}.
    """

    def validate(self, key: bytes, value: bytes, now: float) -> None:
        """
        Refuse C{bad}.
        """
        if value == b"bad":
            raise InvalidRecord("bad")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the index of the greatest.
        """
        return max(range(len(values)), key=lambda index: values[index])


class ServerTests(SynchronousTestCase):
    """
    Requests and their answers.
    """

    def setUp(self) -> None:
        self.table: RoutingTable[PeerID] = RoutingTable(placeOf(OWN.toBytes()))
        self.addresses: dict[PeerID, Sequence[Multiaddr]] = {OWN: [PUBLIC]}
        for number in range(60):
            self.table.offer(peer(number), placeOf(peer(number).toBytes()), 0.0)
            self.addresses[peer(number)] = [PUBLIC, PRIVATE]
        self.values = ValueStore()
        self.providers = ProviderStore()
        self.server = Server(
            "/test/kad/1.0.0",
            OWN,
            self.table,
            self.values,
            self.providers,
            Validators({"v": Greater(), "pk": PublicKeyValidator()}),
            lambda each: self.addresses.get(each, []),
            self.addresses.__setitem__,
            lambda each: each == peer(1),
        )
        self.asker = Asker(peer(500), PUBLIC)

    def ask(
        self,
        type: MessageType,
        key: bytes,
        value: Value | None = None,
        providers: Sequence[NamedPeer] = (),
        asker: Asker | None = None,
        now: float = 0.0,
    ) -> Message:
        """
        Send a request.
        """
        request = Message(type, key, value, providers=providers)
        answer = self.server.answer(request, asker or self.asker, now)
        assert answer is not None
        return answer

    def refused(self, type: MessageType, key: bytes, *more: object) -> str:
        """
        Send a request that breaks the rules.
        """
        error = self.assertRaises(ProtocolViolation, self.ask, type, key, *more)
        return str(error)

    def test_findNode(self) -> None:
        """
        The answer has the nearest peers, without the asker, with the addresses that
        the asker can use.
        """
        key = b"any key"
        answer = self.ask(MessageType.FIND_NODE, key)
        nearest = self.table.nearest(placeOf(key), 20)
        self.assertEqual([each.peer for each in answer.closer], nearest)
        self.assertEqual({each.addresses for each in answer.closer}, {(PUBLIC,)})
        near = Asker(nearest[0], PRIVATE)
        answer = self.ask(MessageType.FIND_NODE, key, asker=near)
        others = self.table.nearest(placeOf(key), 21)[1:]
        self.assertEqual([each.peer for each in answer.closer], others)
        shown = {each.addresses for each in answer.closer}
        self.assertEqual(shown, {(PUBLIC, PRIVATE)})

    def test_recent(self) -> None:
        """
        The new addresses of a server are in the answers after two seconds; each kind of
        asker has its own answers meanwhile.
        """
        key = b"any key"
        [first, *_] = self.ask(MessageType.FIND_NODE, key, now=1.0).closer
        self.addresses[first.peer] = [PRIVATE]
        again = self.ask(MessageType.FIND_NODE, key, now=1.0 + RECENT / 2).closer
        self.assertEqual(again[0], first)
        near = Asker(peer(501), PRIVATE)
        inside = self.ask(MessageType.FIND_NODE, key, asker=near, now=1.5).closer
        self.assertEqual(inside[0].addresses, (PRIVATE,))
        later = self.ask(MessageType.FIND_NODE, key, now=1.0 + RECENT).closer
        self.assertNotIn(first.peer, [each.peer for each in later])

    def test_target(self) -> None:
        """
        The target itself comes first, although it may be a client or this node.
        """
        client = peer(700)
        self.addresses[client] = [PUBLIC]
        for target in (client, OWN, self.asker.peer):
            self.addresses[target] = [PUBLIC]
            answer = self.ask(MessageType.FIND_NODE, target.toBytes())
            self.assertEqual(answer.closer[0].peer, target)
            self.assertEqual(len(answer.closer), 21)
        self.addresses[client] = [PRIVATE]
        answer = self.ask(MessageType.FIND_NODE, client.toBytes())
        self.assertNotIn(client, [each.peer for each in answer.closer])

    def test_withoutAddresses(self) -> None:
        """
        A peer without an address is left out.
        """
        self.addresses.clear()
        self.assertEqual(self.ask(MessageType.FIND_NODE, b"key").closer, [])

    def test_noKey(self) -> None:
        """
        A request without a key breaks the rules; a ping needs none.
        """
        for each in MessageType:
            if each is MessageType.PING:
                self.assertEqual(self.ask(each, b"").type, each)
            else:
                self.refused(each, b"")

    def test_values(self) -> None:
        """
        A value is stored and returned, with nearer peers; a worse one is refused.
        """
        key = b"/v/key"
        answer = self.ask(MessageType.GET_VALUE, key)
        self.assertIsNone(answer.value)
        self.assertEqual(len(answer.closer), 20)
        stored = Value(key, b"2", b"in the future")
        answer = self.ask(MessageType.PUT_VALUE, key, stored)
        self.assertEqual((answer.value, answer.closer), (stored, ()))
        found = self.ask(MessageType.GET_VALUE, key).value
        assert found is not None
        self.assertEqual(
            (found.key, found.value, found.received),
            (key, b"2", b"1970-01-01T00:00:00.000000Z"),
        )
        text = self.refused(MessageType.PUT_VALUE, key, Value(key, b"1"))
        self.assertIn("older", text)
        self.ask(MessageType.PUT_VALUE, key, Value(key, b"3"))
        found = self.ask(MessageType.GET_VALUE, key).value
        assert found is not None
        self.assertEqual(found.value, b"3")

    def test_badValues(self) -> None:
        """
        Values of unknown namespaces, with another key, too long or invalid ones are
        refused.
        """
        put = MessageType.PUT_VALUE
        self.refused(put, b"/v/key")
        self.refused(put, b"/v/key", Value(b"/v/other", b"1"))
        self.refused(put, b"/v/key", Value(b"/v/key", b"bad"))
        self.refused(put, b"/v/key", Value(b"/v/key", bytes(65537)))
        self.refused(put, b"/w/key", Value(b"/w/key", b"1"))
        self.refused(put, b"v/key", Value(b"v/key", b"1"))
        self.refused(put, b"/v/", Value(b"/v/", b"1"))
        self.refused(put, b"/pk/x", Value(b"/pk/x", b"1"))
        self.assertEqual(len(self.values), 0)

    def test_publicKey(self) -> None:
        """
        The key of a peer can be stored under its id, and no other.
        """
        identity = Identity.generate()
        key = b"/pk/" + identity.peerID.toBytes()
        right = Value(key, identity.publicKey.toBytes())
        self.ask(MessageType.PUT_VALUE, key, right)
        other = Identity.generate().publicKey.toBytes()
        self.refused(MessageType.PUT_VALUE, key, Value(key, other))
        self.refused(MessageType.PUT_VALUE, key, Value(key, b"no key"))

    def test_expiredValue(self) -> None:
        """
        A stored value that has become invalid, or has expired, is not returned.
        """
        self.values.put(b"/v/key", b"bad", 0.0, None)
        self.assertIsNone(self.ask(MessageType.GET_VALUE, b"/v/key").value)
        self.values.put(b"/v/key", b"1", 0.0, None)
        answer = self.ask(MessageType.GET_VALUE, b"/v/key", now=LIFETIME)
        self.assertIsNone(answer.value)

    def test_tooManyValues(self) -> None:
        """
        A peer can store so many values and no more.
        """
        for each in range(MAX_PER_PEER):
            self.values.put(b"/v/%d" % each, b"1", 0.0, self.asker.peer)
        text = self.refused(MessageType.PUT_VALUE, b"/v/x", Value(b"/v/x", b"1"))
        self.assertIn("too many", text)
        self.ask(MessageType.PUT_VALUE, b"/v/0", Value(b"/v/0", b"2"))

    def provide(self, asker: Asker, key: bytes, *named: NamedPeer) -> None:
        """
        Announce a provider.
        """
        request = Message(MessageType.ADD_PROVIDER, key, providers=named)
        self.assertIsNone(self.server.answer(request, asker, 0.0))

    def test_providers(self) -> None:
        """
        A provider announces itself, and is returned with nearer peers.
        """
        mine = NamedPeer(self.asker.peer, (PUBLIC, PRIVATE))
        self.provide(self.asker, b"key", NamedPeer(peer(1), (PUBLIC,)), mine)
        self.assertEqual(self.addresses[self.asker.peer], (PUBLIC,))
        answer = self.ask(MessageType.GET_PROVIDERS, b"key")
        self.assertEqual(
            answer.providers, [NamedPeer(self.asker.peer, (PUBLIC,), False)]
        )
        self.assertEqual(len(answer.closer), 20)
        answer = self.ask(MessageType.GET_PROVIDERS, b"key", now=LIFETIME)
        self.assertEqual(answer.providers, [])

    def test_foreignProviders(self) -> None:
        """
        Nobody can announce another peer, or itself without an address; a key has 80
        bytes at the most.
        """
        add = MessageType.ADD_PROVIDER
        self.refused(add, b"key")
        self.refused(add, b"key", None, [NamedPeer(peer(1), (PUBLIC,))])
        self.refused(add, b"key", None, [NamedPeer(self.asker.peer)])
        self.assertEqual(len(self.providers), 0)
        self.addresses[self.asker.peer] = [PUBLIC]
        self.provide(self.asker, b"key", NamedPeer(self.asker.peer))
        self.providers.remove((b"key", self.asker.peer))
        mine = [NamedPeer(self.asker.peer, (PUBLIC,))]
        self.refused(add, bytes(81), None, mine)
        self.refused(MessageType.GET_PROVIDERS, bytes(81))
        self.assertEqual(len(self.providers), 0)

    def test_manyProviders(self) -> None:
        """
        An answer has some of many providers; those of one network do not push out one
        of another.
        """
        for number in range(1000, 1000 + MAX_PER_KEY):
            crowd = Asker(peer(number), PUBLIC)
            self.provide(crowd, b"key", NamedPeer(peer(number), (PUBLIC,)))
        crowd = Asker(peer(9999), PUBLIC)
        mine = [NamedPeer(crowd.peer, (PUBLIC,))]
        self.refused(MessageType.ADD_PROVIDER, b"key", None, mine, crowd)
        elsewhere = Multiaddr("/ip4/46.1.1.1/tcp/1")
        honest = Asker(peer(8888), elsewhere)
        self.provide(honest, b"key", NamedPeer(honest.peer, (elsewhere,)))
        answer = self.ask(MessageType.GET_PROVIDERS, b"key")
        self.assertEqual(len(answer.providers), MAX_PROVIDERS)
        self.assertEqual(answer.providers[0].peer, honest.peer)
        self.assertEqual(len(self.providers), MAX_PER_KEY)
