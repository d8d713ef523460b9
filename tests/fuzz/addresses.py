# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: varints, multibase, length-prefixed messages, peer ids, multiaddrs.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.target import sameHoweverCut, target
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.multiaddr import MAX_BYTES
from twisted_libp2p.errors import InvalidInput, InvalidMultiaddr, InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import multibase, varint
from twisted_libp2p.wire.frames import FrameBuffer, delimit


@target
def varints(data: bytes) -> None:
    """
    A number has one encoding; it ends where the number does.
    """
    try:
        decoded = varint.decode(data)
    except InvalidInput:
        return
    if decoded is None:
        assert len(data) < varint.MAX_BYTES
        return
    value, end = decoded
    assert varint.encode(value) == data[:end]
    assert varint.decode(b"\xff" + data, 1) == (value, end + 1)


@target
def multibases(data: bytes) -> None:
    """
    Data has one spelling in each base, but for the case where it has none.
    """
    text = data.decode("utf-8", "replace")[:256]
    try:
        decoded = multibase.decode(text)
    except InvalidInput:
        return
    assert multibase.encode(text[0].lower(), decoded) in (text, text.lower())


@target
def delimited(data: bytes) -> None:
    """
    Messages are cut off whole, in order, and within the limit.
    """
    limit = 300

    def run(pieces: Iterator[bytes]) -> tuple[list[bytes], bytes | str]:
        buffer = FrameBuffer(limit)
        messages: list[bytes] = []
        for piece in pieces:
            buffer.feed(piece)
            try:
                messages.extend(buffer)
            except InvalidInput as error:
                return messages, str(error)
            assert len(buffer.trailingData) <= limit + 2
        return messages, buffer.trailingData

    messages, rest = sameHoweverCut(data, run)
    assert all(len(message) <= limit for message in messages)
    if isinstance(rest, bytes):
        assert b"".join(map(delimit, messages)) + rest == data[3:]


@target
def peerIDs(data: bytes) -> None:
    """
    Bytes are those of a peer id, or refused; its texts lead back to it.
    """
    try:
        peer = PeerID.fromBytes(data)
    except InvalidPeerID:
        return
    assert peer.toBytes() == data
    for text in (str(peer), peer.toCID(), peer.toCID("base36")):
        assert PeerID.fromText(text) == peer
    peer.publicKey()


@target
def peerIDTexts(data: bytes) -> None:
    """
    A text is that of a peer id, or refused.
    """
    try:
        peer = PeerID.fromText(data.decode("utf-8", "replace"))
    except InvalidPeerID:
        return
    assert PeerID.fromText(str(peer)) == peer


@target
def multiaddrs(data: bytes) -> None:
    """
    Bytes are those of one address, which has one text.
    """
    try:
        address = Multiaddr.fromBytes(data)
    except InvalidMultiaddr:
        return
    assert address.toBytes() == data
    assert len(data) <= MAX_BYTES
    assert Multiaddr(str(address)) == address
    assert sum(1 for _ in address) == len(address)
    bare = address.withoutPeer()
    # Of two peers in a row withPeer replaces the first.
    if address.peerID is not None and bare.peerID is None:
        assert bare.withPeer(address.peerID) == address


@target
def multiaddrTexts(data: bytes) -> None:
    """
    A text is that of an address, which has one canonical text.
    """
    try:
        address = Multiaddr(data.decode("utf-8", "replace"))
    except InvalidMultiaddr:
        return
    assert Multiaddr.fromBytes(address.toBytes()) == address
    assert str(Multiaddr(str(address))) == str(address)
