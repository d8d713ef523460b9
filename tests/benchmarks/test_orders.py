# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.peers.orders}.
"""

from __future__ import annotations

import json

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.peers.orders import Facts, Order, Orders


async def count(order: Order) -> Facts:
    """
    Tell as many numbers as are asked for.
    """
    return {"times": list(range(order.amount))}


class OrdersTests(SynchronousTestCase):
    """
    What the programs that are measured are told, and answer.
    """

    def setUp(self) -> None:
        """
        Connect one.
        """
        self.transport = StringTransport()
        self.orders = Orders({"count": count})
        self.orders.makeConnection(self.transport)

    def test_answer(self) -> None:
        """
        Each order is answered by a line.  It is the transport that writes it: a
        long one is more than standard output, which does not block, takes at once.
        """
        self.orders.dataReceived(b'{"do": "count", "amount": 3}\n' * 2)
        answers = self.transport.value().splitlines()
        self.assertEqual(
            [json.loads(each) for each in answers], [{"times": [0, 1, 2]}] * 2
        )

    def test_failure(self) -> None:
        """
        What fails is answered, too.
        """
        self.orders.dataReceived(b'{"do": "nothing"}\n')
        self.assertEqual(json.loads(self.transport.value()), {"error": "'nothing'"})
