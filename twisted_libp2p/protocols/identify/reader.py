# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reading of a peer's identify message, without I/O.

A peer is not believed: each part has a bound, unusable parts are left out, and
addresses must be reachable from where the peer is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any

from google.protobuf.message import DecodeError

from twisted_libp2p.address import Multiaddr, PeerRecord, unmapped
from twisted_libp2p.address.record import MAX_ADDRESSES
from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.interfaces import IAddressFilter, Identification
from twisted_libp2p.negotiation.multistream import MAX_PROTOCOL_ID
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.identify.messages import PROTOCOL_ID
from twisted_libp2p.wire.frames import FrameBuffer
from twisted_libp2p.wire.identify_pb2 import Identify as Message

__all__ = [
    "MAX_ADDRESSES",
    "MAX_MESSAGE",
    "MAX_MESSAGES",
    "MAX_PROTOCOLS",
    "MAX_TOTAL",
    "NOTHING",
    "Reader",
]

#: Maximum size of one message in bytes, number of messages on a stream, and size of
#: all of them: go-libp2p sends its signed record in a second message.
MAX_MESSAGE = 8192
MAX_MESSAGES = 10
MAX_TOTAL = 2 * MAX_MESSAGE

#: Maximum number of protocols of a peer; of its addresses it is
#: L{MAX_ADDRESSES<twisted_libp2p.address.record.MAX_ADDRESSES>}.
MAX_PROTOCOLS = 1024

#: Maximum number of characters of a name, and of the bytes that hold them.
_MAX_NAME = 256
_MAX_BYTES = 4 * _MAX_NAME


#: The facts that are known before a peer has stated any.
NOTHING = Identification()


class Reader:
    """
    Reads the messages of a peer on one stream, and merges them.
    """

    def __init__(
        self,
        key: PublicKey,
        remote: Multiaddr | None,
        addressFilter: IAddressFilter,
    ) -> None:
        """
        @param key: the key that the peer has proven to own.
        @param remote: the address of the peer; listen addresses that it could not
            reach itself from there are ignored.
        @param addressFilter: selects the addresses that may be dialed.
        """
        self._key = key
        self._peer = PeerID.fromKey(key)
        self._remote = remote
        self._filter = addressFilter
        self._frames = FrameBuffer(MAX_MESSAGE)
        self._count = 0
        self._size = 0
        self._merged = Message()

    def feed(self, data: bytes) -> None:
        """
        Merge the messages that these bytes complete.

        @raise ProtocolViolation: a message is too long or malformed, or there are
            too many messages or bytes.
        """
        self._frames.feed(data)
        try:
            for frame in self._frames:
                self._count += 1
                if self._count > MAX_MESSAGES:
                    raise ProtocolViolation(
                        PROTOCOL_ID, f"more than {MAX_MESSAGES} messages"
                    )
                self._size += len(frame)
                if self._size > MAX_TOTAL:
                    raise ProtocolViolation(
                        PROTOCOL_ID, f"more than {MAX_TOTAL} bytes of messages"
                    )
                self._merged.MergeFromString(frame)
        except InvalidInput as error:
            raise ProtocolViolation(PROTOCOL_ID, str(error)) from None
        except DecodeError:
            raise ProtocolViolation(
                PROTOCOL_ID, "that is no protobuf message"
            ) from None

    def finish(self, before: Identification) -> Identification:
        """
        Return the facts that are known after the end of the stream.

        @param before: the facts that were known before; they stay where the peer
            states nothing new.
        @raise ProtocolViolation: no complete message has arrived, or the message has
            the key of another peer.
        """
        if not self._count or self._frames.trailingData:
            raise ProtocolViolation(PROTOCOL_ID, "the message is not complete")
        message = self._merged
        if message.publicKey and message.publicKey != self._key.toBytes():
            raise ProtocolViolation(
                PROTOCOL_ID, "the public key is that of another peer"
            )
        stated: dict[str, Any] = {}
        if message.HasField("agentVersion"):
            stated["agent"] = _name(message.agentVersion[:_MAX_BYTES])
        if message.HasField("protocolVersion"):
            stated["protocolVersion"] = _name(message.protocolVersion[:_MAX_BYTES])
        if message.protocols:
            names = tuple(message.protocols)
            usual = len(names) <= 128 and sum(map(len, names)) <= 2048
            select = _sharedProtocols if usual else _protocols
            stated["protocols"] = select(names)
        record = self._record(message.signedPeerRecord)
        if record is not None:
            if before.sequence is None or record.sequence >= before.sequence:
                stated["listenAddresses"] = self._dialable(record.addresses)
                stated["record"] = message.signedPeerRecord
                stated["sequence"] = record.sequence
        elif message.listenAddrs:
            listed = islice(message.listenAddrs, MAX_ADDRESSES)
            stated["listenAddresses"] = self._dialable(_readable(listed))
        for observed in _readable([message.observedAddr]):
            stated["observedAddress"] = unmapped(observed)
        return _changed(before, stated)

    def _record(self, envelope: bytes) -> PeerRecord | None:
        """
        Return the signed record; None without one, or if it is not the peer's
        own.
        """
        try:
            record = PeerRecord.open(envelope)
        except InvalidInput:
            return None
        return record if record.peerID == self._peer else None

    def _dialable(self, addresses: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
        """
        Select the addresses at which the peer may really be reached.
        """
        origin = self._filter.origin(self._remote)
        select = self._filter.select
        return tuple(select(origin, addresses, self._peer, MAX_ADDRESSES))


def _changed(before: Identification, stated: dict[str, Any]) -> Identification:
    """
    Return the known facts with the stated ones.  Most peers state them once, and there
    is nothing to copy.
    """
    if before is NOTHING:
        return Identification(**stated)
    return replace(before, **stated)


# Most peers run one of a few programs, and share the texts of these.  Both caches
# together hold at most some 2 MiB.


@lru_cache(64)
def _name(text: str | bytes) -> str:
    """
    Bound a name, and leave out the characters that would disturb a terminal.

    @param text: the value of protobuf: bytes if it is not valid UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return printable(text[:_MAX_NAME], _MAX_NAME, hidden="")


def _protocols(names: tuple[str | bytes, ...]) -> tuple[str, ...]:
    """
    Select the names that can be protocol ids, each once.
    """
    usable = (
        name
        for name in names
        if isinstance(name, str)
        and name.isprintable()
        and 0 < len(name.encode()) <= MAX_PROTOCOL_ID
    )
    return tuple(islice(dict.fromkeys(usable), MAX_PROTOCOLS))


_sharedProtocols = lru_cache(64)(_protocols)


def _readable(items: Iterable[bytes]) -> Iterator[Multiaddr]:
    """
    Decode multiaddrs, and leave out those of unknown protocols.
    """
    for item in items:
        try:
            yield Multiaddr.fromBytes(item)
        except InvalidInput:
            continue
