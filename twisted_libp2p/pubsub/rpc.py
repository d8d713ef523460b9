# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What peers send each other: messages, subscriptions, and the control of gossipsub.

An RPC is decoded only when its parts are counted, so that a small frame cannot become a
large heap.  Names of topics that are too long or are not UTF-8 are left out: we have no
such topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.wire import pubsub_pb2, varint
from twisted_libp2p.wire.protobuf import decode

__all__ = [
    "MAX_CONTROL",
    "MAX_IDS",
    "MAX_ID_SIZE",
    "MAX_MESSAGES",
    "MAX_PX_PEERS",
    "MAX_RPC",
    "MAX_SUBSCRIPTIONS",
    "MAX_TOPIC_NAME",
    "RPC",
    "Prune",
    "PxPeer",
]

#: Maximum size of an RPC in bytes, as in go-libp2p-pubsub.
MAX_RPC: Final = 1 << 20

#: Maximum size of the parts of an RPC that are not messages, in bytes, as in
#: go-libp2p-pubsub 0.18.
MAX_CONTROL: Final = 1 << 19

#: Maximum number of messages, of subscriptions, and of ids of one kind in one RPC, as
#: in js-libp2p.  The second is also that of the lists of each kind of control.
MAX_MESSAGES: Final = 5000
MAX_SUBSCRIPTIONS: Final = 5000
MAX_IDS: Final = 5000

#: Maximum size of the id of a message in bytes; longer ids are left out.
MAX_ID_SIZE: Final = 1024

#: Maximum number of peers that are read from the peer exchange of one prune.
MAX_PX_PEERS: Final = 16

#: Maximum size of the name of a topic in bytes.
MAX_TOPIC_NAME: Final = 1024

_NAME: Final = "pubsub"
_SUBSCRIPTIONS, _PUBLISH = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class PxPeer:
    """
    A peer that another peer recommends in its place.

    @ivar peer: its peer id in bytes.
    @ivar record: the signed record of its addresses; empty without one.
    """

    peer: bytes
    record: bytes = b""


@dataclass(frozen=True, slots=True)
class Prune:
    """
    The end of a link of a mesh.

    @ivar topic: the topic.
    @ivar backoff: seconds for which the link is not to be made again; 0 if the peer
        does not say.
    @ivar peers: the recommended peers.
    """

    topic: str
    backoff: int = 0
    peers: tuple[PxPeer, ...] = ()


@dataclass(slots=True)
class RPC:
    """
    One RPC, or a part of one.

    @ivar subscriptions: topics, each with whether the sender subscribes.
    @ivar messages: messages of topics.
    @ivar have: ids of messages that the sender has, each list with its topic.
    @ivar want: ids of messages that the sender asks for.
    @ivar graft: topics whose mesh the receiver enters.
    @ivar prune: topics whose mesh it leaves.
    @ivar unwanted: ids of messages that the receiver need not send.
    @ivar extensions: whether the extensions are announced; None if they are not.
    @ivar testExtension: whether it has the message of the test extension.
    """

    subscriptions: list[tuple[str, bool]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    have: list[tuple[str, list[bytes]]] = field(default_factory=list)
    want: list[bytes] = field(default_factory=list)
    graft: list[str] = field(default_factory=list)
    prune: list[Prune] = field(default_factory=list)
    unwanted: list[bytes] = field(default_factory=list)
    extensions: frozenset[str] | None = None
    testExtension: bool = False

    @property
    def controls(self) -> bool:
        """
        Whether it has a part that is neither a message nor a subscription.
        """
        return bool(
            self.have
            or self.want
            or self.graft
            or self.prune
            or self.unwanted
            or self.extensions is not None
        )

    def parts(self, count: int) -> Iterator[RPC]:
        """
        Return the RPC in parts, if it has many messages: the subscriptions are in the
        first one, the control is in the last one.

        @param count: the largest number of messages of a part.
        """
        messages, subscriptions = self.messages, self.subscriptions
        start = 0
        while len(messages) - start > count:
            yield RPC(subscriptions, messages[start : start + count])
            subscriptions, start = [], start + count
        if start:
            self.subscriptions, self.messages = subscriptions, messages[start:]
        yield self

    @classmethod
    def fromBytes(cls, data: bytes) -> RPC:
        """
        Decode an RPC.

        @raise ProtocolViolation: it is malformed, or has too many parts.
        """
        _count(data)
        message = decode(pubsub_pb2.RPC(), data, _NAME)
        rpc = cls()
        for each in message.publish:
            topic = _topic(each.topic)
            if topic is not None:
                rpc.messages.append(_message(topic, each))
        for sub in message.subscriptions:
            topic = _topic(sub.topicid)
            if topic is not None:
                rpc.subscriptions.append((topic, sub.subscribe))
        if message.HasField("control"):
            rpc._read(message.control)
        if message.HasField("testExtension"):
            rpc.testExtension = True
        return rpc

    def _read(self, control: pubsub_pb2.ControlMessage) -> None:
        left = MAX_IDS
        for have in islice(control.ihave, MAX_SUBSCRIPTIONS):
            topic = _topic(have.topicID)
            if topic is not None:
                ids = _ids(have.messageIDs, left)
                left -= len(ids)
                self.have.append((topic, ids))
        for want in islice(control.iwant, MAX_SUBSCRIPTIONS):
            self.want += _ids(want.messageIDs, MAX_IDS - len(self.want))
        for graft in islice(control.graft, MAX_SUBSCRIPTIONS):
            topic = _topic(graft.topicID)
            if topic is not None:
                self.graft.append(topic)
        for prune in islice(control.prune, MAX_SUBSCRIPTIONS):
            topic = _topic(prune.topicID)
            if topic is not None:
                peers = tuple(
                    PxPeer(each.peerID, each.signedPeerRecord)
                    for each in islice(prune.peers, MAX_PX_PEERS)
                )
                self.prune.append(Prune(topic, prune.backoff, peers))
        for unwanted in islice(control.idontwant, MAX_SUBSCRIPTIONS):
            self.unwanted += _ids(unwanted.messageIDs, MAX_IDS - len(self.unwanted))
        if control.HasField("extensions"):
            tested = control.extensions.testExtension
            self.extensions = frozenset(["test"] if tested else [])

    def toBytes(self) -> bytes:
        """
        Encode it.
        """
        parts = [each.entry() for each in self.messages]
        if self.subscriptions or self.controls or self.testExtension:
            parts.append(self._control())
        return b"".join(parts)

    def _control(self) -> bytes:
        message = pubsub_pb2.RPC()
        for name, on in self.subscriptions:
            message.subscriptions.add(subscribe=on, topicid=name.encode())
        if self.controls:
            self._write(message.control)
        if self.testExtension:
            message.testExtension.SetInParent()
        return message.SerializeToString(deterministic=True)

    def _write(self, control: pubsub_pb2.ControlMessage) -> None:
        for topic, ids in self.have:
            control.ihave.add(topicID=topic.encode(), messageIDs=ids)
        if self.want:
            control.iwant.add(messageIDs=self.want)
        for topic in self.graft:
            control.graft.add(topicID=topic.encode())
        for each in self.prune:
            added = control.prune.add(topicID=each.topic.encode())
            if each.backoff:
                added.backoff = each.backoff
            for peer in each.peers:
                info = added.peers.add(peerID=peer.peer)
                if peer.record:
                    info.signedPeerRecord = peer.record
        if self.unwanted:
            control.idontwant.add(messageIDs=self.unwanted)
        if self.extensions is not None:
            control.extensions.SetInParent()
            if "test" in self.extensions:
                control.extensions.testExtension = True


def _ids(ids: Iterable[bytes], room: int) -> list[bytes]:
    """
    Read ids as far as there is room.
    """
    return [each for each in islice(ids, room) if len(each) <= MAX_ID_SIZE]


def _message(topic: str, each: Any) -> Message:
    has = each.HasField
    return Message(
        topic,
        each.data if has("data") else None,
        each.source if has("source") else None,
        each.seqno if has("seqno") else None,
        each.signature if has("signature") else None,
        each.key if has("key") else None,
    )


def _topic(name: bytes) -> str | None:
    """
    Return the name of a topic; None if we can have no such topic.
    """
    if not 0 < len(name) <= MAX_TOPIC_NAME:
        return None
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


def _count(data: bytes) -> None:
    """
    Count the parts of an RPC.

    @raise ProtocolViolation: there are too many, or they are too large.
    """
    messages = subscriptions = others = control = 0
    for number, size in _fields(data):
        if number == _PUBLISH:
            messages += 1
        else:
            control += size
            if number == _SUBSCRIPTIONS:
                subscriptions += 1
            else:
                others += 1
        if messages > MAX_MESSAGES or max(subscriptions, others) > MAX_SUBSCRIPTIONS:
            raise ProtocolViolation(_NAME, "an RPC with too many parts")
        if control > MAX_CONTROL:
            raise ProtocolViolation(
                _NAME, f"an RPC with more than {MAX_CONTROL} bytes without its messages"
            )


def _fields(data: bytes) -> Iterator[tuple[int, int]]:
    """
    Go through the fields of a protobuf message.

    @return: for each field its number, and its size with its tag.
    @raise ProtocolViolation: it is not a protobuf message.
    """
    position, end = 0, len(data)
    while position < end:
        begin = position
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == _BYTES:
            size, position = _varint(data, position)
            position += size
        elif kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise ProtocolViolation(_NAME, f"a field of the unknown kind {kind}")
        if position > end:
            raise ProtocolViolation(_NAME, "an RPC that is not complete")
        yield tag >> 3, position - begin


def _varint(data: bytes, position: int) -> tuple[int, int]:
    try:
        found = varint.decode(data, position)
    except InvalidInput as error:
        raise ProtocolViolation(_NAME, str(error)) from None
    if found is None:
        raise ProtocolViolation(_NAME, "an RPC that is not complete")
    return found
