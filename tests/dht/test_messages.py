# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.messages}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dht.test_keyspace import PEER
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.messages import (
    MAX_ADDRESSES,
    MAX_PEERS,
    MAX_SENT,
    MAX_SENT_ADDRESSES,
    Message,
    MessageType,
    NamedPeer,
    Value,
)
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import kademlia_pb2

PROTOCOL = "/test/kad/1.0.0"


def peers(count: int) -> list[PeerID]:
    """
    Make some peer ids.
    """
    return [PeerID(b"\x12\x20" + each.to_bytes(32, "big")) for each in range(count)]


def addresses(count: int) -> tuple[Multiaddr, ...]:
    """
    Make some addresses.
    """
    return tuple(Multiaddr(f"/ip4/45.45.0.1/tcp/{each + 1}") for each in range(count))


class MessageTests(SynchronousTestCase):
    """
    Messages in bytes.
    """

    def test_wire(self) -> None:
        """
        A FIND_NODE for the peer of the specification.
        """
        peer = PeerID.fromText(PEER).toBytes()
        request = Message(MessageType.FIND_NODE, peer)
        self.assertEqual(request.toBytes(), b"\x08\x04\x12\x26" + peer)

    def test_roundTrip(self) -> None:
        """
        A message is read as it was written.
        """
        one, other = peers(2)
        for each in (
            Message(MessageType.PING),
            Message(MessageType.PUT_VALUE, b"k", Value(b"k", b"v", b"now")),
            Message(
                MessageType.GET_PROVIDERS,
                b"k",
                closer=(NamedPeer(one, addresses(2), True),),
                providers=(NamedPeer(other),),
            ),
        ):
            data = each.toBytes()
            self.assertEqual(Message.fromBytes(data, PROTOCOL), each)
            read = kademlia_pb2.Message.FromString(data)
            self.assertEqual(read.SerializeToString(deterministic=True), data)

    def test_size(self) -> None:
        """
        As many peers are sent as rust-libp2p reads; the others are left out.
        """
        named = [NamedPeer(each, addresses(50)) for each in peers(200)]
        message = Message(
            MessageType.GET_PROVIDERS, bytes(80), closer=named, providers=named[:20]
        )
        data = message.toBytes()
        self.assertLessEqual(len(data), MAX_SENT)
        read = kademlia_pb2.Message.FromString(data)
        self.assertEqual(len(read.providerPeers), 20)
        self.assertGreater(len(read.closerPeers), 20)
        self.assertEqual(len(read.closerPeers[0].addrs), MAX_SENT_ADDRESSES)

    def test_bounded(self) -> None:
        """
        Peers and addresses over the limits, and those that cannot be read, are left
        out.
        """
        message = kademlia_pb2.Message(type=4)
        message.closerPeers.add(id=b"not a peer")
        for each in peers(100):
            message.closerPeers.add(
                id=each.toBytes(),
                addrs=[b"\xff\xff\xff", *(a.toBytes() for a in addresses(100))],
                connection=7,
            )
        read = Message.fromBytes(message.SerializeToString(), PROTOCOL)
        self.assertEqual(len(read.closer), MAX_PEERS - 1)
        for named in read.closer:
            self.assertEqual(named.addresses, addresses(MAX_ADDRESSES - 1))
            self.assertFalse(named.connected)

    def test_addresses(self) -> None:
        """
        The id of a peer at the end of its address is removed; an address of another
        peer is left out, and so are those after 8 KiB of addresses.
        """
        one, other = peers(2)
        message = kademlia_pb2.Message(type=4)
        near, far = addresses(2)
        message.closerPeers.add(
            id=one.toBytes(),
            addrs=[
                each.toBytes()
                for each in (near.withPeer(one), far.withPeer(other), far)
            ],
        )
        long = [f"/dns4/{'a' * 1000}{each}/tcp/1" for each in range(10)]
        message.closerPeers.add(
            id=other.toBytes(), addrs=[Multiaddr(each).toBytes() for each in long]
        )
        read, big = Message.fromBytes(message.SerializeToString(), PROTOCOL).closer
        self.assertEqual(read.addresses, (near, far))
        self.assertEqual(len(big.addresses), 8)

    def test_refused(self) -> None:
        """
        Everything else is a violation.
        """
        for data in (b"\xff", b"\x08\x06", b"\x08\xff\xff\xff\xff\x0f", b"\x12\x05a"):
            self.assertRaises(ProtocolViolation, Message.fromBytes, data, PROTOCOL)

    def test_missingType(self) -> None:
        """
        A missing type is PUT_VALUE, which go-libp2p does not write.
        """
        self.assertIs(Message.fromBytes(b"", PROTOCOL).type, MessageType.PUT_VALUE)
