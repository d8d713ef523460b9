# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of applications that leave, publish or stop in the middle of a callback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from tests.pubsub.test_service import UNSIGNED, PubSubTestCase
from twisted_libp2p.errors import ConfigurationError, PublishFailed
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import Validation
from twisted_libp2p.pubsub.events import PubSubEvent
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.topic import Topic


class Application:
    """
    Takes part in a topic, and does something once in one of its callbacks.
    """

    def __init__(self, node: Node, where: str, act: Callable[[Application], None]):
        self.node = node
        self.done = 0
        self._where = where
        self._act = act

    def called(self, where: str) -> None:
        """
        Act, if this is the chosen callback.
        """
        if where == self._where and not self.done:
            self.done += 1
            self._act(self)

    def start(self) -> None:
        """
        Join the topic, with all callbacks.
        """
        self.node.events.subscribe(
            PubSubEvent, lambda event: self.called(type(event).__name__)
        )
        joining = self.node.pubsub.join("news", self._validate)
        # The topic may have been left since, by the application itself.
        joining.addCallback(self._joined).addErrback(
            lambda reason: reason.trap(ConfigurationError)
        )

    def _joined(self, topic: Topic) -> None:
        topic.subscribe(lambda _: self.called("receiver"))
        topic.feed(_Receiver(self))
        self.called("join")

    def _validate(self, message: object) -> Validation:
        self.called("validator")
        return Validation.ACCEPT

    def publish(self) -> None:
        """
        Publish a message, and look at its receipt.
        """

        def published(receipt: Any) -> None:
            self.called("published")
            receipt.sent.addCallback(lambda _: self.called("sent"))

        waiting = self.node.pubsub.publish("news", b"x" * 3000, ready=0, alone=True)
        waiting.addCallback(published)
        waiting.addErrback(lambda reason: reason.trap(PublishFailed))


class _Receiver(Protocol):
    """
    Takes messages as the bytes of a transport.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def dataReceived(self, data: bytes) -> None:
        """
        Note a message.
        """
        self._application.called("protocol")

    def connectionLost(self, reason: object = None) -> None:
        """
        Note the end.
        """
        self._application.called("end")


def leave(application: Application) -> None:
    """
    Leave the topic.
    """
    application.node.pubsub.leave("news")


def rejoin(application: Application) -> None:
    """
    Leave the topic, and join it again.
    """
    leave(application)
    application.node.pubsub.join("news")


def publish(application: Application) -> None:
    """
    Publish more than one message.
    """
    for _ in range(3):
        application.publish()


def close(application: Application) -> None:
    """
    Close all connections.
    """
    for each in list(application.node.connections):
        each.close()


def abort(application: Application) -> None:
    """
    Abort all connections.
    """
    for each in list(application.node.connections):
        each.abort(Failure(ConnectionAborted()))


def stop(application: Application) -> None:
    """
    Stop the service of topics.
    """
    application.node.pubsub.stopService()


ACTIONS: Final = (leave, rejoin, publish, close, abort, stop)

#: All callbacks of an application.
CALLBACKS: Final = (
    "join",
    "validator",
    "receiver",
    "protocol",
    "end",
    "published",
    "sent",
    "Joined",
    "Left",
    "PeerSubscribed",
    "PeerUnsubscribed",
    "Grafted",
    "Pruned",
)


class ReentryTests(PubSubTestCase):
    """
    Three nodes in a row, of which the middle one has the application.
    """

    def play(self, where: str, act: Callable[[Application], None]) -> None:
        """
        Let the application act in a callback, and everything end in order.
        """
        near, middle, far = self.line(3, UNSIGNED)
        for each in (near, far):
            self.hear(each, "news")
        application = Application(middle, where, act)
        application.start()
        self.nodes.advance(2.0)
        for number in range(3):
            near.pubsub.publish("news", b"%d" % number, ready=0, alone=True)
            application.publish()
            self.nodes.advance(1.0)
        for each in (far, middle):
            each.pubsub.leave("news")
            self.nodes.advance(1.0)
        self.assertEqual(application.done, 1, (where, act.__name__))
        self.assertEqual(self.flushLoggedErrors(), [], (where, act.__name__))
        if act is not stop:
            self.serve(middle, near)
        for node in (near, middle, far):
            self.nodes.result(node.stopService())
        router = middle.pubsub._engine.router
        self.assertEqual((middle.pubsub.topics, router.joined), ([], {}))
        assert isinstance(router, GossipRouter)
        self.assertEqual(router.mesh.peers, {})

    def serve(self, middle: Node, near: Node) -> None:
        """
        Check that the node does what it did before.
        """
        if not middle.connections.to(near.peerID):
            self.nodes.connect(middle, near)
        heard = self.hear(middle, "again")
        self.nodes.advance(1.0)
        self.nodes.result(near.pubsub.publish("again", b"again"))
        self.assertEqual([each.data for each in heard], [b"again"])


def _test(where: str, act: Callable[[Application], None]) -> Any:
    def test(self: ReentryTests) -> None:
        self.play(where, act)

    name = f"{act.__name__.capitalize()}In{where[0].upper()}{where[1:]}"
    test.__name__ = f"test_{name[0].lower()}{name[1:]}"
    test.__doc__ = f"The application calls {act.__name__} in {where}."
    return test


for _where in CALLBACKS:
    for _act in ACTIONS:
        _made = _test(_where, _act)
        setattr(ReentryTests, _made.__name__, _made)
