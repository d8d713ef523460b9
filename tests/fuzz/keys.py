# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: keys, signed envelopes, peer records.
"""

from __future__ import annotations

from tests.fuzz.target import target
from twisted_libp2p.address import PeerRecord
from twisted_libp2p.errors import (
    InvalidKey,
    InvalidRecord,
    InvalidSignature,
)
from twisted_libp2p.identity import Envelope, PeerID, PrivateKey, PublicKey


@target
def publicKeys(data: bytes) -> None:
    """
    A key has one encoding, since a peer id is made of it.
    """
    try:
        key = PublicKey.fromBytes(data)
    except InvalidKey:
        return
    assert key.toBytes() == data
    assert PeerID.fromKey(key).matches(key)


@target
def privateKeys(data: bytes) -> None:
    """
    A private key is read, or refused; what is written of it is read again.
    """
    try:
        key = PrivateKey.fromBytes(data)
    except InvalidKey:
        return
    again = PrivateKey.fromBytes(key.toBytes())
    assert again == key and again.toBytes() == key.toBytes()


@target
def pems(data: bytes) -> None:
    """
    So is one in PEM.
    """
    try:
        key = PrivateKey.fromPEM(data)
    except InvalidKey:
        return
    assert PrivateKey.fromPEM(key.toPEM()) == key


@target
def envelopes(data: bytes) -> None:
    """
    An envelope keeps its bytes; it opens only if it is signed.
    """
    try:
        envelope = Envelope.fromBytes(data)
    except InvalidRecord:
        return
    assert envelope.toBytes() == data
    try:
        envelope.open("libp2p-peer-record")
    except InvalidSignature:
        return


@target
def records(data: bytes) -> None:
    """
    A record is about the peer that has signed it.
    """
    try:
        record = PeerRecord.open(data)
    except (InvalidRecord, InvalidSignature):
        return
    key = Envelope.fromBytes(data).publicKey
    assert record.peerID == PeerID.fromKey(key)
