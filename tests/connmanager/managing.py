# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A connection manager for tests, with connections that are doubles.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import FakeConnection, peer
from twisted_libp2p.connmanager import (
    ConnectionManager,
    ConnectionPolicy,
)
from twisted_libp2p.events import (
    ConnectionTrimmed,
    Event,
    EventBus,
    LimitReached,
)
from twisted_libp2p.limits import Limits


class ManagerTestCase(SynchronousTestCase):
    """
    A manager with low marks: 4 and 6 of at most 12 connections, 9 of them
    inbound.
    """

    def setUp(self) -> None:
        """
        Have a manager that runs.
        """
        self.clock = Clock()
        self.events: list[Event] = []
        self.managed()

    def managed(self, **policy: Any) -> None:
        """
        Have another one.
        """
        self.manage(policy=ConnectionPolicy(**{"lowWater": 4, "highWater": 6} | policy))

    def manage(self, **options: Any) -> None:
        """
        Have another one, with other options.
        """
        bus = EventBus()
        bus.subscribe(Event, self.events.append)
        options.setdefault("policy", ConnectionPolicy(lowWater=4, highWater=6))
        options.setdefault("limits", Limits.scaled(connections=12))
        self.manager = ConnectionManager(self.clock, bus, **options)
        self.manager.startService()

    def open(self, number: int, initiator: bool = False) -> FakeConnection:
        """
        Open a connection to a peer.
        """
        return FakeConnection(self.manager, peer(number), initiator).open()

    def openSeveral(self, *numbers: int) -> list[FakeConnection]:
        """
        Open a connection to each of several peers.
        """
        return [self.open(number) for number in numbers]

    def trimmed(self) -> list[int]:
        """
        Whose connections were trimmed, in that order.
        """
        return [
            int.from_bytes(event.peer.toBytes()[2:], "big")
            for event in self.events
            if isinstance(event, ConnectionTrimmed)
        ]

    def reached(self) -> list[tuple[str, int]]:
        """
        Which limits were reached, and how often.
        """
        return [
            (event.option, event.count)
            for event in self.events
            if isinstance(event, LimitReached)
        ]
