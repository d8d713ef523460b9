# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications that act from within their callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connection import Connection
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes

__all__ = [
    "ID",
    "CallbackTestCase",
    "Watched",
    "Watching",
    "ending",
    "endingOf",
    "nothing",
    "same",
    "used",
]

ID = "/callback/1.0.0"


def nothing(*_: object) -> None:
    """
    Do nothing.
    """


def same(thing: Any) -> Any:
    """
    @return: what it is given.
    """
    return thing


def ending(end: Callable[[Connection], object], protocol: Any) -> None:
    """
    End the connection of a protocol.
    """
    end(protocol.transport.connection)


def endingOf(end: Callable[[Connection], object], event: Any) -> None:
    """
    End the connection of an event.
    """
    end(event.connection)


class Watched(Protocol):
    """
    Notes its beginning and its end, and does something in between.
    """

    transport: Any

    def __init__(self, act: Callable[[Any], object] = nothing) -> None:
        self.act = act
        self.calls: list[str] = []

    def connectionMade(self) -> None:
        self.calls.append("made")
        self.act(self)

    def dataReceived(self, data: bytes) -> None:
        self.calls.append("data")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.calls.append("lost")


class Watching(Factory):
    """
    Makes such protocols, and keeps them.
    """

    noisy = False

    def __init__(
        self,
        act: Callable[[Any], object] = nothing,
        building: Callable[[], object] = nothing,
        build: Callable[[], Any] | None = None,
    ) -> None:
        self.made: list[Watched] = []
        self._act = act
        self._building = building
        self._build = build or (lambda: Watched(act))

    def buildProtocol(self, addr: Any) -> Any:
        self._building()
        protocol = self._build()
        if protocol is not None:
            self.made.append(protocol)
        return protocol


def used(node: Node) -> list[Usage]:
    """
    @return: what is in use of every scope of a node, where anything is.
    """
    limiter = node.connections.limiter
    scopes = (
        limiter.system,
        limiter.transient,
        *limiter.peers.values(),
        *limiter.protocols.values(),
    )
    return [scope.used for scope in scopes if any(scope.used)]


class CallbackTestCase(SynchronousTestCase):
    """
    Two nodes in memory whose events are kept.
    """

    muxer = "yamux"

    def setUp(self) -> None:
        """
        Start the nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.start()
        self.client = self.start()

    def start(self, **options: Any) -> Node:
        """
        Start a node and keep its events.
        """
        node = self.nodes.start(muxers=[self.muxer], **options)
        events: list[Event] = []
        node.events.subscribe(Event, events.append)
        node.heard = events  # type: ignore[attr-defined]
        return node

    def connect(self) -> None:
        """
        Connect the nodes.
        """
        self.near, self.far = self.nodes.connect(self.client, self.server)

    def assertOver(self, *protocols: Watched) -> None:
        """
        After the end of all connections every count is 0, every event has its
        counterpart, and every protocol that was connected has lost its connection.
        """
        self.nodes.settle()
        for node in (self.client, self.server):
            for connection in node.connections:
                connection.close()
        self.nodes.advance(20)
        for node in (self.client, self.server):
            self.assertEqual(used(node), [])
            heard: list[Event] = node.heard  # type: ignore[attr-defined]
            for opened, closed, what in (
                (OpenedConn, ClosedConn, "connection"),
                (OpenedStream, ClosedStream, "stream"),
            ):
                begun = [getattr(e, what) for e in heard if type(e) is opened]
                ended = [getattr(e, what) for e in heard if type(e) is closed]
                self.assertEqual(len(begun), len(set(map(id, begun))))
                self.assertEqual(sorted(map(id, begun)), sorted(map(id, ended)))
        for protocol in protocols:
            self.assertIn(protocol.calls.count("made"), (0, 1))
            self.assertEqual(protocol.calls.count("made"), protocol.calls.count("lost"))
