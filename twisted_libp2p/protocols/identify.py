# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/ipfs/id/1.0.0} and C{/ipfs/id/push/1.0.0}: peers tell what they are
(libp2p/specs, identify/README.md).

Each side asks on every new connection; a side whose protocols or addresses
change tells those who listen for it.  What a peer tells replaces what it told
before; what it does not mention stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from twisted_libp2p.address import (
    Multiaddr,
    Origin,
    PeerRecord,
    Scope,
    unmapped,
)
from twisted_libp2p.address.record import MAX_ADDRESSES
from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.identity import Identity, PeerID, PublicKey
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.negotiation.multistream import MAX_PROTOCOL_ID
from twisted_libp2p.printable import printable
from twisted_libp2p.wire.frames import FrameBuffer, delimit
from twisted_libp2p.wire.identify_pb2 import Identify as Message

__all__ = [
    "MAX_ADDRESSES",
    "MAX_MESSAGE",
    "MAX_MESSAGES",
    "MAX_OWN_MESSAGE",
    "MAX_PROTOCOLS",
    "MAX_TOTAL",
    "PROTOCOL_ID",
    "PUSH_PROTOCOL_ID",
    "Description",
    "Identification",
    "Reader",
    "describe",
    "visible",
]

PROTOCOL_ID = "/ipfs/id/1.0.0"
PUSH_PROTOCOL_ID = "/ipfs/id/push/1.0.0"

#: The most bytes of our own message: rust-libp2p takes no more.
MAX_OWN_MESSAGE = 4096

#: The most bytes of one message that are accepted, the most messages of a stream,
#: and the most bytes of all of them: go-libp2p sends its signed record in a second
#: message.
MAX_MESSAGE = 8192
MAX_MESSAGES = 10
MAX_TOTAL = 2 * MAX_MESSAGE

#: The most protocols of a peer that are accepted; of its addresses
#: L{MAX_ADDRESSES<twisted_libp2p.address.record.MAX_ADDRESSES>} are.
MAX_PROTOCOLS = 1024

#: The most characters of a name that are taken, and the bytes that hold them.
_MAX_NAME = 256
_MAX_BYTES = 4 * _MAX_NAME


def visible(addresses: Iterable[Multiaddr], at: Multiaddr | None) -> list[Multiaddr]:
    """
    Pick those addresses that mean anything to somebody at an address: to the
    public the public ones, to a private network all but loopback, to this
    host all.
    """
    scope = Scope.UNKNOWN if at is None else Scope.of(at)
    if scope is Scope.PUBLIC:
        hidden = {Scope.LOOPBACK, Scope.LINK_LOCAL, Scope.PRIVATE}
    elif scope in (Scope.PRIVATE, Scope.LINK_LOCAL):
        hidden = {Scope.LOOPBACK}
    else:
        hidden = set()
    return [each for each in addresses if Scope.of(each) not in hidden]


class Description(NamedTuple):
    """
    Our own message, but for how we see the peer's end of the connection: the same
    for many peers.

    @ivar head: the fields in front of that.
    @ivar tail: the fields behind it.
    """

    head: bytes
    tail: bytes

    def message(self, observed: Multiaddr | None) -> bytes:
        """
        Give the message for one peer, with its length before it.

        @param observed: how we see the peer's end of the connection.
        """
        if observed is None:
            return delimit(self.head + self.tail)
        middle = _OBSERVED + delimit(observed.toBytes())
        return delimit(self.head + middle + self.tail)


# In front of the address, and its length: field 4, of bytes.
_OBSERVED = b"\x22"


def describe(
    identity: Identity,
    *,
    agent: str,
    protocolVersion: str,
    protocols: Iterable[str],
    addresses: Iterable[Multiaddr],
    room: int,
    seal: Callable[[tuple[Multiaddr, ...]], bytes],
) -> Description:
    """
    Give our own message.

    It has at most 4096 bytes: where addresses or protocols are too many for
    that, the last of them are left out.

    @param identity: who we are.
    @param agent: our software.
    @param protocolVersion: our network.
    @param protocols: what we serve.
    @param addresses: where we listen.
    @param room: how many bytes are left for the address of the peer.
    @param seal: makes the signed record of the addresses.
    """
    listening, served = list(addresses), list(protocols)
    most = MAX_OWN_MESSAGE - len(_OBSERVED) - len(delimit(bytes(room)))
    while True:
        listed = [each.toBytes() for each in listening]
        description = Description(
            Message(
                publicKey=identity.publicKey.toBytes(),
                listenAddrs=listed,
                protocols=served,
            ).SerializeToString(),
            Message(
                protocolVersion=protocolVersion,
                agentVersion=agent,
                signedPeerRecord=seal(tuple(listening)),
            ).SerializeToString(),
        )
        if len(description.head) + len(description.tail) <= most or not (
            listening or served
        ):
            return description
        # The addresses are there once more, in the record.
        size = 2 * sum(map(len, listed))
        longest: list[Any] = listening if size > sum(map(len, served)) else served
        del longest[len(longest) // 2 :]


class Reader:
    """
    Reads what a peer tells on one stream, without I/O: several messages may
    come, which are merged.
    """

    def __init__(self, key: PublicKey, remote: Multiaddr | None) -> None:
        """
        @param key: who tells it: the key that the peer has proven to own.
        @param remote: where the peer is; what it cannot reach itself from
            there is not believed.
        """
        self._key = key
        self._peer = PeerID.fromKey(key)
        self._remote = remote
        self._frames = FrameBuffer(MAX_MESSAGE)
        self._count = 0
        self._size = 0
        self._merged = Message()

    def feed(self, data: bytes) -> None:
        """
        Merge the messages that these bytes complete.

        @raise ProtocolViolation: a message is too long or none at all, or there
            are too many messages or bytes.
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
        The peer has told all: give what is known now.

        @param before: what it told before; stays where it told nothing now.
        @raise ProtocolViolation: there is no whole message, or it claims a
            key that is not the peer's.
        """
        if not self._count or self._frames.trailingData:
            raise ProtocolViolation(PROTOCOL_ID, "the message is not whole")
        message = self._merged
        if message.publicKey and message.publicKey != self._key.toBytes():
            raise ProtocolViolation(PROTOCOL_ID, "the public key is another's")
        told: dict[str, Any] = {}
        if message.HasField("agentVersion"):
            told["agent"] = _name(message.agentVersion[:_MAX_BYTES])
        if message.HasField("protocolVersion"):
            told["protocolVersion"] = _name(message.protocolVersion[:_MAX_BYTES])
        if message.protocols:
            names = tuple(message.protocols)
            usual = len(names) <= 128 and sum(map(len, names)) <= 2048
            told["protocols"] = _sharedProtocols(names) if usual else _protocols(names)
        record = self._record(message.signedPeerRecord)
        if record is not None:
            if before.sequence is None or record.sequence >= before.sequence:
                told["listenAddresses"] = self._dialable(record.addresses)
                told["record"] = message.signedPeerRecord
                told["sequence"] = record.sequence
        elif message.listenAddrs:
            some = islice(message.listenAddrs, MAX_ADDRESSES)
            told["listenAddresses"] = self._dialable(_readable(some))
        for observed in _readable([message.observedAddr]):
            told["observedAddress"] = unmapped(observed)
        return replace(before, **told)

    def _record(self, envelope: bytes) -> PeerRecord | None:
        """
        @return: the signed record, if there is one and it is the peer's own.
        """
        try:
            record = PeerRecord.open(envelope)
        except InvalidInput:
            return None
        return record if record.peerID == self._peer else None

    def _dialable(self, addresses: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
        """
        Pick the addresses at which the peer may really be reached.
        """
        origin = Origin.of(self._remote)
        own = (
            unmapped(each.withoutPeer())
            for each in addresses
            if each.peerID in (None, self._peer)
        )
        found = (each for each in own if each and origin.refusal(each) is None)
        return tuple(islice(dict.fromkeys(found), MAX_ADDRESSES))


# Most peers run one of a few programs, and share the texts of these.  Both caches
# together hold at most some 2 MiB.


@lru_cache(64)
def _name(text: str | bytes) -> str:
    """
    Bound a name, and leave out the characters that would disturb a terminal.

    @param text: what protobuf gives: bytes, where it is not UTF-8.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return printable(text[:_MAX_NAME], _MAX_NAME, hidden="")


def _protocols(names: tuple[str | bytes, ...]) -> tuple[str, ...]:
    """
    Pick the names that can be those of protocols, each once.
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
    Read multiaddrs; those of protocols that we do not know are left out.
    """
    for item in items:
        try:
            yield Multiaddr.fromBytes(item)
        except InvalidInput:
            continue
