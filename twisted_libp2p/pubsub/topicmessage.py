# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A message, as validators and subscribers get it.
"""

from __future__ import annotations

from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub.message import Message

__all__ = ["TopicMessage"]


class TopicMessage:
    """
    A message of a topic.

    @ivar sender: the peer that has delivered it; ourselves for one of our own.
    @ivar time: when it has come, in seconds since the epoch.
    @ivar local: whether this node has published it.
    """

    __slots__ = ("_message", "local", "sender", "time")

    def __init__(
        self, message: Message, sender: PeerID, time: float, local: bool
    ) -> None:
        self._message = message
        self.sender = sender
        self.time = time
        self.local = local

    @property
    def topic(self) -> str:
        """
        The topic of the message.
        """
        return self._message.topic

    @property
    def data(self) -> bytes:
        """
        The data of the message.
        """
        return self._message.data

    @property
    def id(self) -> bytes:
        """
        The id of the message.
        """
        return self._message.id

    @property
    def source(self) -> PeerID | None:
        """
        The author, which has signed the message; None in a topic without signatures.
        """
        if self._message.source is None:
            return None
        try:
            return PeerID.fromBytes(self._message.source)
        except InvalidPeerID:
            return None

    @property
    def sequence(self) -> int | None:
        """
        The sequence number that the author has given it; None without one.
        """
        found = self._message.sequence
        return None if found is None else int.from_bytes(found, "big")

    def __repr__(self) -> str:
        return f"<TopicMessage {self.id.hex()[:16]} of {self.topic!r}>"
