# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the order in which connections are trimmed.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.connmanager.expendability import ByValue
from twisted_libp2p.interfaces import Direction, IExpendability


class Candidate:
    """
    A connection that may be trimmed.
    """

    def __init__(
        self,
        name: str,
        value: float = 0,
        streams: int = 0,
        initiator: bool = False,
        openedAt: float = 0,
    ) -> None:
        self.name = name
        self.value = value
        self.streams = [None] * streams
        self.direction = Direction.OUTBOUND if initiator else Direction.INBOUND
        self.openedAt = openedAt


class ByValueTests(SynchronousTestCase):
    """
    The default order.
    """

    def assertOrder(self, *candidates: Candidate) -> None:
        """
        The candidates are in the order in which they would be trimmed.
        """
        order: Any = ByValue()
        for some in (candidates, candidates[::-1]):
            trimmed = sorted(some, key=lambda each: order.key(each, each.value))
            self.assertEqual(
                [each.name for each in trimmed], [each.name for each in candidates]
            )

    def test_interface(self) -> None:
        """
        It is one of the orders that a node may have.
        """
        verifyObject(IExpendability, ByValue())

    def test_value(self) -> None:
        """
        The value of the peer comes before everything else.
        """
        self.assertOrder(
            Candidate("worthless", -1, streams=9, initiator=True),
            Candidate("nothing"),
            Candidate("valued", 1, openedAt=9),
        )

    def test_rest(self) -> None:
        """
        Then whether there are streams, who opened it, how many streams there
        are, and at last the age.
        """
        self.assertOrder(
            Candidate("unused, young", openedAt=9),
            Candidate("unused, old"),
            Candidate("unused, ours", initiator=True),
            Candidate("used", streams=1, openedAt=9),
            Candidate("used, old", streams=1),
            Candidate("much used", streams=5),
            Candidate("used, ours", streams=1, initiator=True),
        )
