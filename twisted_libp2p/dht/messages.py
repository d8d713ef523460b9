# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of Kademlia.

See ipfs/specs, src/routing/kad-dht.md, "Protobuf specification".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import kademlia_pb2
from twisted_libp2p.wire.frames import delimit
from twisted_libp2p.wire.protobuf import decode, kindOf

__all__ = [
    "MAX_ADDRESSES",
    "MAX_ANSWER",
    "MAX_PEERS",
    "MAX_PROVIDER_KEY",
    "MAX_REQUEST",
    "MAX_SENT",
    "MAX_VALUE",
    "Message",
    "MessageType",
    "NamedPeer",
    "Value",
]

#: Maximum size of an answer that we read, in bytes, as in go-libp2p-kad-dht 0.42.
MAX_ANSWER: Final = 4 << 20

#: Maximum size of an answer that we send, in bytes: rust-libp2p 0.57 reads no more.
MAX_SENT: Final = 16 << 10

#: Maximum size of a value, in bytes.
MAX_VALUE: Final = 64 << 10

#: Maximum size of a request that we read, in bytes: a value, and its key twice.
MAX_REQUEST: Final = MAX_VALUE + 4096

#: The most peers that are read of each list in a message.
MAX_PEERS: Final = 40

#: The most addresses that are read of one peer.
MAX_ADDRESSES: Final = 16

#: The most addresses of one peer that are sent.
MAX_SENT_ADDRESSES: Final = 8

#: Maximum size of the key of provided content, in bytes.
MAX_PROVIDER_KEY: Final = 80

#: Maximum size of the addresses of one peer in bytes, as in go-libp2p-kad-dht 0.42.
_MAX_PEER: Final = 8 << 10


#: Size of an address in bytes up to which it is kept, once it was read.
_USUAL: Final = 128


#: Protobuf's tags of the fields C{closerPeers} and C{providerPeers}.
_CLOSER: Final = b"\x42"
_PROVIDERS: Final = b"\x4a"


class MessageType(IntEnum):
    """
    The kinds of messages.
    """

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


@dataclass(frozen=True, slots=True)
class NamedPeer:
    """
    A peer that a message names.

    @ivar peer: its id.
    @ivar addresses: its addresses, without its id.
    @ivar connected: whether the sender is connected to it.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...] = ()
    connected: bool = False
    # A server names the same few peers in each answer.
    _encoded: bytes | None = field(default=None, init=False, compare=False, repr=False)

    def toBytes(self) -> bytes:
        """
        Return the peer as a message, with its first addresses.
        """
        encoded = self._encoded
        if encoded is None:
            addresses = islice(self.addresses, MAX_SENT_ADDRESSES)
            encoded = kademlia_pb2.Peer(
                id=self.peer.toBytes(),
                addrs=[each.toBytes() for each in addresses],
                connection=1 if self.connected else None,
            ).SerializeToString(deterministic=True)
            object.__setattr__(self, "_encoded", encoded)
        return encoded


@dataclass(frozen=True, slots=True)
class Value:
    """
    A value and its key.

    @ivar key: the whole key, with its namespace.
    @ivar value: the bytes.
    @ivar received: when the sender received it, in RFC 3339; never trusted.
    """

    key: bytes
    value: bytes
    received: bytes = b""


@dataclass(frozen=True, slots=True)
class Message:
    """
    A request or an answer.

    @ivar type: its kind.
    @ivar key: the key that it is about.
    @ivar value: the value, to be stored or found.
    @ivar closer: peers nearer to the key.
    @ivar providers: peers that provide the key.
    """

    type: MessageType
    key: bytes = b""
    value: Value | None = None
    closer: Sequence[NamedPeer] = field(default=())
    providers: Sequence[NamedPeer] = field(default=())

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.

        Only as many peers are written, providers first, as fit into L{MAX_SENT} bytes.
        """
        message = kademlia_pb2.Message(type=self.type)
        if self.key:
            message.key = self.key
        value = self.value
        if value is not None:
            message.record.key = value.key
            message.record.value = value.value
            if value.received:
                message.record.timeReceived = value.received
        data = message.SerializeToString(deterministic=True)
        room = MAX_SENT - len(data)
        providers = _fields(_PROVIDERS, self.providers, room)
        closer = _fields(_CLOSER, self.closer, room - len(providers))
        return data + closer + providers

    @classmethod
    def fromBytes(cls, data: bytes, protocol: str) -> Message:
        """
        Read a message.

        Peers with an invalid id, unreadable addresses, and peers and addresses over
        the limits are left out.

        @param protocol: the protocol id, for the error.
        @raise ProtocolViolation: it is malformed, or of no known kind.
        """
        message = decode(kademlia_pb2.Message(), data, protocol)
        kind = kindOf(MessageType, message.type, protocol)
        value = None
        if message.HasField("record"):
            found = message.record
            value = Value(found.key, found.value, found.timeReceived)
        return cls(
            kind,
            message.key,
            value,
            tuple(_read(message.closerPeers)),
            tuple(_read(message.providerPeers)),
        )


def _fields(tag: bytes, named: Iterable[NamedPeer], room: int) -> bytes:
    """
    Write peers as fields of a message, as far as there is room.

    @param tag: the number and the type of the field.
    @param room: the most bytes.
    """
    parts: list[bytes] = []
    for each in named:
        data = delimit(each.toBytes())
        room -= len(tag) + len(data)
        if room < 0:
            break
        parts += (tag, data)
    return b"".join(parts)


def _read(peers: Iterable[Any]) -> Iterator[NamedPeer]:
    """
    Read the first peers of a list.
    """
    for each in islice(peers, MAX_PEERS):
        try:
            peer = _peer(each.id)
        except InvalidPeerID:
            continue
        yield NamedPeer(
            peer, tuple(_readAddresses(peer, each.addrs)), each.connection == 1
        )


def _readAddresses(peer: PeerID, addresses: Iterable[bytes]) -> Iterator[Multiaddr]:
    """
    Read the first addresses of a peer.
    """
    room = _MAX_PEER
    for each in islice(addresses, MAX_ADDRESSES):
        room -= len(each)
        if room < 0:
            break
        try:
            identity, bare = (_address if len(each) <= _USUAL else _parse)(each)
        except InvalidMultiaddr:
            continue
        if bare and identity in (None, peer):
            yield bare


def _parse(data: bytes) -> tuple[PeerID | None, Multiaddr]:
    """
    Read an address.

    @return: the id of the peer at its end, and the rest.
    @raise InvalidMultiaddr: it is malformed.
    """
    address = Multiaddr.fromBytes(data)
    return address.peerID, address.withoutPeer()


#: The answers of a lookup name the same few peers and addresses again and again.
_peer = lru_cache(4096)(PeerID.fromBytes)
_address = lru_cache(4096)(_parse)
