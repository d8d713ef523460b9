# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connected peers of a router, and the topics to which they subscribe.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

__all__ = ["MAX_TOPICS_OF_PEER", "Neighbour", "Neighbours", "Version"]

#: Maximum number of topics of one peer that are known.
MAX_TOPICS_OF_PEER: Final = 1024

#: The memory of a topic of a peer without its name, and of an unwanted message, in
#: bytes.
_TOPIC_MEMORY: Final = 320
_UNWANTED_MEMORY: Final = 64


class Version(IntEnum):
    """
    The protocol that a peer has agreed to on our stream.
    """

    #: Our stream to it is not open so far.
    NONE = 0
    FLOODSUB = 1
    GOSSIPSUB_1_0 = 2
    GOSSIPSUB_1_1 = 3
    GOSSIPSUB_1_2 = 4
    GOSSIPSUB_1_3 = 5


class Neighbour:
    """
    A connected peer.

    @ivar key: its peer id in bytes.
    @ivar outbound: whether our side has opened the connection.
    @ivar direct: whether the user wants it to get every message.
    @ivar version: the protocol on our stream.
    @ivar meshes: whether it speaks gossipsub, and may be in a mesh: direct peers may
        not.
    @ivar topics: the topics to which it subscribes.
    @ivar named: the characters of their names.
    @ivar extensions: the extensions that it has announced; None so far.
    @ivar haveRPCs: its notifications since the last heartbeat.
    @ivar asked: for how many messages it was asked since then.
    @ivar answered: how many bytes of messages it has got since then by asking.
    @ivar unwantedRPCs: its notes of unwanted messages since then.
    @ivar unwanted: the hashes of the messages that it does not want, each with the
        heartbeat after which this is over.
    @ivar paused: whether our side does not read from it.
    @ivar matched: whether one of the ids of messages that it names was ever ours.
    @ivar unmatched: how many of them were not.
    """

    __slots__ = (
        "answered",
        "asked",
        "direct",
        "extensions",
        "haveRPCs",
        "key",
        "matched",
        "meshes",
        "named",
        "outbound",
        "paused",
        "topics",
        "unmatched",
        "unwanted",
        "unwantedRPCs",
        "version",
    )

    def __init__(self, key: bytes, outbound: bool, direct: bool) -> None:
        self.key = key
        self.outbound = outbound
        self.direct = direct
        self.version = Version.NONE
        self.meshes = False
        self.topics: dict[str, None] = {}
        self.named = 0
        self.extensions: frozenset[str] | None = None
        self.haveRPCs = 0
        self.asked = 0
        self.answered = 0
        self.unwantedRPCs = 0
        self.unwanted: dict[int, int] = {}
        self.paused = False
        self.matched = False
        self.unmatched = 0

    @property
    def memory(self) -> int:
        """
        The memory of its topics and unwanted messages in bytes.
        """
        topics = self.named + _TOPIC_MEMORY * len(self.topics)
        return topics + _UNWANTED_MEMORY * len(self.unwanted)

    def wants(self, id: bytes) -> bool:
        """
        Return whether a message may be sent to it.
        """
        return not self.unwanted or hash(id) not in self.unwanted


class Neighbours:
    """
    All connected peers.

    @ivar apart: the peers that get every message of their topics without being in a
        mesh: those that speak floodsub, and direct ones.
    """

    def __init__(self) -> None:
        self.apart: dict[bytes, Neighbour] = {}
        self._peers: dict[bytes, Neighbour] = {}
        self._topics: dict[str, dict[bytes, Neighbour]] = {}

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(self._peers.values())

    def get(self, key: bytes) -> Neighbour | None:
        """
        Return a peer; None if it is not connected.
        """
        return self._peers.get(key)

    def of(self, topic: str) -> dict[bytes, Neighbour]:
        """
        Return the peers that subscribe to a topic.
        """
        return self._topics.get(topic, {})

    def add(self, neighbour: Neighbour) -> None:
        """
        Add a peer.
        """
        self._peers[neighbour.key] = neighbour

    def remove(self, neighbour: Neighbour) -> None:
        """
        Remove a peer, with its subscriptions.
        """
        del self._peers[neighbour.key]
        self.apart.pop(neighbour.key, None)
        for topic in list(neighbour.topics):
            self.unsubscribe(neighbour, topic)

    def speaks(self, neighbour: Neighbour, version: Version) -> None:
        """
        Note the protocol on our stream to a peer.
        """
        neighbour.version = version
        neighbour.meshes = version >= Version.GOSSIPSUB_1_0 and not neighbour.direct
        if version and not neighbour.meshes:
            self.apart[neighbour.key] = neighbour
        else:
            self.apart.pop(neighbour.key, None)

    def subscribe(self, neighbour: Neighbour, topic: str) -> bool:
        """
        Note that a peer subscribes to a topic.

        @return: whether that is new; false if it has too many.
        """
        topics = neighbour.topics
        if topic in topics or len(topics) >= MAX_TOPICS_OF_PEER:
            return False
        topics[topic] = None
        neighbour.named += len(topic)
        self._topics.setdefault(topic, {})[neighbour.key] = neighbour
        return True

    def unsubscribe(self, neighbour: Neighbour, topic: str) -> bool:
        """
        Note that a peer subscribes to a topic no longer.

        @return: whether it did.
        """
        if topic not in neighbour.topics:
            return False
        del neighbour.topics[topic]
        neighbour.named -= len(topic)
        peers = self._topics[topic]
        del peers[neighbour.key]
        if not peers:
            del self._topics[topic]
        return True
