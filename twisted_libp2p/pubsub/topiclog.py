# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics that a node joins as a service, whose messages it logs.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from zope.interface import implementer

from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import MAX_TEXT, printable
from twisted_libp2p.pubsub.service import PubSub
from twisted_libp2p.pubsub.topic import Topic
from twisted_libp2p.pubsub.topicmessage import TopicMessage

__all__ = ["TopicLog"]


@implementer(IHostService)
class TopicLog(Service):
    """
    Joins topics, and so passes their messages on; logs each message as a line.
    """

    name = "topic log"

    _log = Logger()

    def __init__(self, pubsub: PubSub, topics: Sequence[str]) -> None:
        """
        @param pubsub: the service of the node, which has to be added before this one.
        @param topics: the names of the topics.
        """
        self._pubsub = pubsub
        self._topics = topics

    def attach(self, host: IHost) -> None:
        """
        Need nothing of the node but its pubsub.
        """

    def startService(self) -> None:
        """
        Join the topics.  They are left with the service of pubsub.
        """
        super().startService()
        for name in self._topics:
            self._pubsub.join(name).addCallback(self._joined)

    def _joined(self, topic: Topic) -> None:
        topic.subscribe(self._received)

    def _received(self, message: TopicMessage) -> None:
        # No more of a large message is decoded: a character has four bytes at the most.
        shown = message.data[: 4 * MAX_TEXT + 4]
        self._log.info(
            "{topic}: {size} bytes of {source}: {text}",
            topic=message.topic,
            size=len(message.data),
            source=message.source or message.sender,
            text=printable(shown.decode(errors="backslashreplace")),
        )
