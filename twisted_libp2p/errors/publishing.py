# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Errors of a message that was not published.
"""

from __future__ import annotations

from twisted_libp2p.errors.local import LocalError

__all__ = [
    "InvalidMessage",
    "MessageTooLarge",
    "NoPeers",
    "PublishFailed",
    "QueuesFull",
]


class PublishFailed(LocalError):
    """
    A message was not published.

    @ivar topic: its topic.
    @ivar reason: the reason, after the name of the topic.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic = topic
        self.reason = reason

    def _describe(self) -> str:
        return f"not published in {self.topic!r}: {self.reason}"


class InvalidMessage(PublishFailed):
    """
    A validator of this node refuses the message.
    """


class MessageTooLarge(PublishFailed):
    """
    The message does not fit into an RPC.
    """


class NoPeers(PublishFailed):
    """
    No connected peer has subscribed to the topic.
    """


class QueuesFull(PublishFailed):
    """
    The queues to all peers of the topic, or the limits of these peers, are full.
    """
