# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node without a network whose dials the test answers.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ClosedHere
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions
from twisted_libp2p.testing.host import ConnectionDouble, HostDouble

__all__ = ["DialingHost", "HostTestCase"]


class DialingHost(HostDouble):
    """
    Collects dials.

    @ivar dials: the dials under way, each with its target, options and result.
    """

    def __init__(self, clock: Clock, identity: Identity | None = None) -> None:
        super().__init__(clock, identity)
        self.dials: list[tuple[Any, DialOptions, Deferred[Any]]] = []

    def connect(
        self, target: Any, options: DialOptions = DEFAULT_OPTIONS
    ) -> Deferred[Any]:
        """
        Begin a dial.
        """
        result: Deferred[Any] = Deferred(
            lambda result: self.dials.remove((target, options, result))
        )
        self.dials.append((target, options, result))
        return result

    @property
    def targets(self) -> list[Any]:
        """
        The targets of the dials under way.
        """
        return [target for target, *_ in self.dials]

    def succeed(self, identity: Identity, number: int = 0) -> ConnectionDouble:
        """
        Let a dial lead to a peer.
        """
        _, _, result = self.dials.pop(number)
        connection = self.meet(identity)
        result.callback(connection)
        return connection

    def fail(self, error: Exception, number: int = 0) -> None:
        """
        Let a dial fail.
        """
        self.dials.pop(number)[-1].errback(error)

    def lose(self, connection: ConnectionDouble) -> None:
        """
        End a connection.
        """
        reason = Failure(ClosedHere(0))
        connection.abort(reason)
        self.events.publish(
            ClosedConn(
                time=self.clock.seconds(),
                connection=connection,  # type: ignore[arg-type]
                peer=connection.remotePeer,
                localAddress=None,
                remoteAddress=None,
                direction=connection.direction,
                security="",
                muxer="",
                reason=reason,
            )
        )


class HostTestCase(SynchronousTestCase):
    """
    A test of a service.

    @ivar clock: the time.
    @ivar host: the node.
    @ivar identities: the keys of peers.
    """

    identities: ClassVar[list[Identity]] = [Identity.generate() for _ in range(8)]

    def setUp(self) -> None:
        self.clock = Clock()
        self.host = DialingHost(self.clock)
        self._logged: list[Any] = []
        observer: Any = self._logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def start(self, service: Any) -> Any:
        """
        Start a service, which leaves nothing at the end.
        """
        service.attach(self.host)
        service.startService()
        self.addCleanup(self.stop, service)
        self.clock.advance(0)
        return service

    def stop(self, service: Any) -> None:
        """
        Stop a service.
        """
        if service.running:
            service.stopService()
        self.assertEqual(self.host.dials, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def lines(self, level: str) -> list[str]:
        """
        Return the lines of the log of one level.
        """
        return [
            str(formatEvent(each))
            for each in self._logged
            if each["log_level"].name == level
        ]
