# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the messages, values and keys of Kademlia, and a server that reads requests.
"""

from __future__ import annotations

from contextlib import suppress

from twisted.internet.task import Clock

from tests.fuzz.target import target
from twisted_libp2p.dht.ipns import IpnsRecord
from twisted_libp2p.dht.keys import multihashOf, valueKeyOf
from twisted_libp2p.dht.messages import (
    MAX_ADDRESSES,
    MAX_PEERS,
    MAX_SENT,
    MAX_VALUE,
    Message,
)
from twisted_libp2p.dht.providers import MAX_PER_KEY
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.validators import AnyValue
from twisted_libp2p.errors import InvalidInput, InvalidRecord, ProtocolViolation
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.testing import HostDouble

__all__ = ["contentIDs", "ipnsRecords", "kademliaMessages", "kademliaServers"]

_PROTOCOL = "/test/kad/1.0.0"
_NAME = PeerID(b"\x00\x24\x08\x01\x12\x20" + bytes(range(32)))
_NODE, _PEER = Identity.generate(), Identity.generate()


@target
def contentIDs(data: bytes) -> None:
    """
    A text is a CID or the key of a value, or refused.
    """
    text = data.decode("latin-1")
    for read in (multihashOf, valueKeyOf):
        with suppress(InvalidInput):
            assert read(text)


@target
def ipnsRecords(data: bytes) -> None:
    """
    An IPNS record is signed by its name, or refused.
    """
    try:
        record = IpnsRecord.open(data, _NAME)
    except InvalidRecord:
        return
    assert record.sequence >= 0


@target
def kademliaMessages(data: bytes) -> None:
    """
    A message is a violation, or has few peers and addresses, and is written again in
    few bytes.
    """
    try:
        message = Message.fromBytes(data, _PROTOCOL)
    except ProtocolViolation:
        return
    for peers in (message.closer, message.providers):
        assert len(peers) <= MAX_PEERS
        for each in peers:
            assert len(each.addresses) <= MAX_ADDRESSES
    size = len(message.key)
    if message.value is not None:
        size += len(message.value.key) + len(message.value.value)
        size += len(message.value.received)
    assert len(message.toBytes()) <= max(MAX_SENT, size + 64)


@target
def kademliaServers(data: bytes) -> None:
    """
    A server answers any bytes, or resets the stream; it stores little.
    """
    host = HostDouble(Clock(), _NODE)
    dht = KademliaDHT("/test", "server", validators={"v": AnyValue()})
    dht.attach(host)
    dht.startService()
    connection = host.meet(_PEER, "/ip4/45.45.0.1/tcp/4001")
    stream = host.serve(connection, _PROTOCOL)
    for start in range(0, len(data), 7):
        stream.protocol.dataReceived(data[start : start + 7])
    assert len(dht.providers) <= MAX_PER_KEY
    assert all(
        stored is not None and len(stored.value) <= MAX_VALUE
        for stored in (dht.values.get(key, 0.0) for key in dht.values)
    )
    dht.stopService()
    assert not host.reactor.getDelayedCalls()
