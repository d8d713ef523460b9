# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of hole punching, and the two sides of their exchange, without I/O.

See libp2p/specs, relay/DCUtR.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from twisted_libp2p.address import Multiaddr, Origin, Scope
from twisted_libp2p.errors import InvalidMultiaddr, ProtocolViolation
from twisted_libp2p.wire import dcutr_pb2
from twisted_libp2p.wire.protobuf import decode, kindOf

__all__ = [
    "DCUTR",
    "MAX_ADDRESSES",
    "MAX_MESSAGE",
    "Answerer",
    "Asker",
    "Message",
    "MessageType",
    "punchable",
]

#: The protocol.
DCUTR: Final = "/libp2p/dcutr"

#: Maximum size of a message in bytes.
MAX_MESSAGE: Final = 4096

#: The most addresses that are sent, and of those of a peer that are dialed.
MAX_ADDRESSES: Final = 8

#: The longest round trip that is believed, in seconds: no peer makes us wait longer.
MAX_ROUND_TRIP: Final = 5.0

#: The lowest port at a peer that is dialed: no peer makes us knock at the services of
#: others.
MIN_PORT: Final = 1024


#: The scopes of the addresses at which a hole may be punched, by the place of the
#: relay.  One on this host says nothing of the place of the peer.
_SCOPES: Final = {
    Origin.PUBLIC: (Scope.PUBLIC,),
    Origin.NETWORK: (Scope.PUBLIC, Scope.PRIVATE),
}


class MessageType(IntEnum):
    """
    The kinds of messages.
    """

    CONNECT = 100
    SYNC = 300


@dataclass(frozen=True, slots=True)
class Message:
    """
    A message.

    @ivar type: its kind.
    @ivar addresses: the addresses at which the sender may be reached.
    """

    type: MessageType
    addresses: tuple[Multiaddr, ...] = ()

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = dcutr_pb2.HolePunch(type=self.type)
        message.ObsAddrs.extend(each.toBytes() for each in self.addresses)
        return message.SerializeToString(deterministic=True)

    @classmethod
    def fromBytes(cls, data: bytes) -> Message:
        """
        Read a message, without the addresses that we do not know.

        @raise ProtocolViolation: it is malformed, or of no known kind.
        """
        message = decode(dcutr_pb2.HolePunch(), data, DCUTR)
        kind = kindOf(MessageType, message.type, DCUTR)
        found: list[Multiaddr] = []
        for each in message.ObsAddrs:
            try:
                found.append(Multiaddr.fromBytes(each))
            except InvalidMultiaddr:
                continue
        return cls(kind, tuple(found))


def punchable(
    addresses: Iterable[Multiaddr], origin: Origin = Origin.PUBLIC
) -> list[Multiaddr]:
    """
    Select the addresses at which a hole may be punched: public IP addresses with a
    port, and no name, no relay.

    @param origin: the place of the relay.  Through one in a private network, addresses
        of private networks are selected too.
    """
    scopes = _SCOPES[origin]
    found: dict[Multiaddr, None] = {}
    for each in addresses:
        bare = each.withoutPeer()
        names = bare.names
        if (
            len(names) > 1
            and names[0] in ("ip4", "ip6")
            and names[1] in ("tcp", "udp")
            and "p2p" not in names
            and Scope.of(bare) in scopes
            and origin.refusal(bare) is None
            and int(bare.value(names[1]) or 0) >= MIN_PORT
        ):
            found[bare] = None
    return list(found)[:MAX_ADDRESSES]


class Asker:
    """
    The side that was reached through the relay, and begins.

    @ivar addresses: the addresses of the peer, once it has answered.
    @ivar roundTrip: seconds to the peer and back, once it has answered.
    """

    def __init__(
        self, own: Iterable[Multiaddr], origin: Origin = Origin.PUBLIC
    ) -> None:
        """
        Prepare to exchange addresses.

        @param own: our addresses.
        @param origin: the place of the relay.
        """
        self._own = tuple(own)
        self._origin = origin
        self._asked: float | None = None
        self.addresses: list[Multiaddr] | None = None
        self.roundTrip = 0.0

    def start(self, now: float) -> bytes:
        """
        Return the first message.
        """
        self._asked = now
        return Message(MessageType.CONNECT, self._own).toBytes()

    def receive(self, data: bytes, now: float) -> bytes:
        """
        Take the answer.  Half a round trip later our side dials.

        @return: the message to send.
        @raise ProtocolViolation: it is no answer.
        """
        message = Message.fromBytes(data)
        if message.type is not MessageType.CONNECT or self.addresses is not None:
            raise ProtocolViolation(DCUTR, "a message out of turn")
        assert self._asked is not None
        self.roundTrip = min(max(0.0, now - self._asked), MAX_ROUND_TRIP)
        self.addresses = punchable(message.addresses, self._origin)
        return Message(MessageType.SYNC).toBytes()


class Answerer:
    """
    The side that has dialed through the relay.

    @ivar addresses: the addresses of the peer, once it has asked.
    @ivar roundTrip: seconds to the peer and back, once C{synchronized} is set.
    @ivar synchronized: whether it is time to dial.
    """

    def __init__(
        self, own: Iterable[Multiaddr], origin: Origin = Origin.PUBLIC
    ) -> None:
        """
        Prepare to exchange addresses.

        @param own: our addresses.
        @param origin: the place of the relay.
        """
        self._own = tuple(own)
        self._origin = origin
        self._answered = 0.0
        self.addresses: list[Multiaddr] | None = None
        self.roundTrip = 0.0
        self.synchronized = False

    def receive(self, data: bytes, now: float) -> bytes | None:
        """
        Take a message.

        @return: the message to send; None after the last one.
        @raise ProtocolViolation: it comes out of turn.
        """
        message = Message.fromBytes(data)
        if message.type is MessageType.CONNECT and self.addresses is None:
            self.addresses = punchable(message.addresses, self._origin)
            self._answered = now
            return Message(MessageType.CONNECT, self._own).toBytes()
        if (
            message.type is MessageType.SYNC
            and self.addresses is not None
            and not self.synchronized
        ):
            self.synchronized = True
            self.roundTrip = min(max(0.0, now - self._answered), MAX_ROUND_TRIP)
            return None
        raise ProtocolViolation(DCUTR, "a message out of turn")
