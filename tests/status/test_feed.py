# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.feed}.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.status.paging import PageTestCase
from twisted_libp2p.status.feed import MAX_CLIENTS, PATIENCE


def messages(text: str) -> list[tuple[str, Any]]:
    """
    Read server-sent events: their names, and what their data means.
    """
    # The chunks of HTTP/1.1 begin with their size, and end with a line end.
    text = re.sub(r"(^|\r\n)[0-9a-f]+\r\n", "", text).replace("\r\n", "")
    found = []
    for each in text.split("\n\n"):
        if each.startswith("event: "):
            name, data = each.split("\n")
            found.append((name[7:], json.loads(data.removeprefix("data: "))))
    return found


class FeedTests(PageTestCase):
    """
    The live feed.
    """

    def test_live(self) -> None:
        """
        It begins with all there is, goes on each second, and soon after
        something has happened.
        """
        browsing = self.browse()
        code, headers, body = browsing.ask("/events")
        self.assertEqual(code, 200)
        self.assertEqual(headers["Content-Type"], "text/event-stream; charset=utf-8")
        self.assertIn("retry: 2000\n\n", body)
        self.assertEqual([name for name, _ in messages(body)], ["state"])
        self.nodes.advance(0.9)
        self.assertEqual(browsing.more(), "")
        self.nodes.advance(0.1)
        ((name, state),) = messages(browsing.more())
        self.assertEqual((name, state["peers"]), ("state", 0))
        self.nodes.connect(self.nodes.start(), self.node)
        self.assertEqual(browsing.more(), "")
        self.nodes.advance(0.1)
        ((name, events),) = messages(browsing.more())
        self.assertEqual((name, events[0]["kind"]), ("happened", "connected"))
        self.nodes.advance(0.9)
        ((name, state),) = messages(browsing.more())
        self.assertEqual((name, state["peers"]), ("state", 1))
        later = messages(self.browse().ask("/events")[2])
        self.assertEqual([name for name, _ in later], ["state", "happened"])
        self.assertEqual(later[1][1], events)

    def test_nobody(self) -> None:
        """
        While nobody follows nothing is done, whatever happens.
        """
        self.nodes.advance(2)
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])
        browsing = self.browse()
        browsing.ask("/events")
        self.assertEqual(len(self.nodes.clock.getDelayedCalls()), 1)
        browsing.transport.loseConnection()
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])

    def test_overdue(self) -> None:
        """
        A client that has read everything is not dropped when the timer is overdue,
        since the process was stopped or busy.
        """
        browsing = self.browse()
        browsing.ask("/events")
        transport: Any = browsing.transport
        transport.producer.pauseProducing()
        clock = self.nodes.clock
        # The reactor serves its sockets after all timers that are due.
        clock.callLater(PATIENCE * 2, transport.producer.resumeProducing)
        clock.advance(PATIENCE * 2)
        self.assertFalse(transport.disconnected)
        self.nodes.advance(1)
        self.assertTrue(messages(browsing.more()))

    def test_slow(self) -> None:
        """
        For a browser that does not read nothing is kept.  When it reads again
        it is told what it has missed; when it does not, it is closed, and the
        others go on.
        """
        slow, other = self.browse(), self.browse()
        transport: Any = slow.transport
        for each in (slow, other):
            each.ask("/events")
        transport.producer.pauseProducing()
        self.nodes.connect(self.nodes.start(), self.node)
        self.nodes.advance(PATIENCE - 5)
        self.assertEqual(slow.more(), "")
        transport.producer.resumeProducing()
        self.nodes.advance(1)
        told = messages(slow.more())
        self.assertEqual([name for name, _ in told], ["state", "happened"])
        self.assertEqual(told[1][1][0]["kind"], "connected")
        transport.producer.pauseProducing()
        self.nodes.advance(PATIENCE + 1)
        self.assertFalse(transport.connected)
        other.more()
        self.nodes.advance(1)
        self.assertEqual([name for name, _ in messages(other.more())], ["state"])

    def test_full(self) -> None:
        """
        So many may follow; one more is told to come back, and may when another
        has left.
        """
        followers = [self.browse() for _ in range(MAX_CLIENTS)]
        for each in followers:
            self.assertEqual(each.ask("/events")[0], 200)
        code, headers, _ = self.browse().ask("/events")
        self.assertEqual((code, headers["Retry-After"]), (503, "10"))
        self.assertEqual(self.browse().ask("/snapshot")[0], 200)
        followers[0].transport.loseConnection()
        self.assertEqual(self.browse().ask("/events")[0], 200)

    def test_stop(self) -> None:
        """
        When the node stops the feed ends, and with the next start there is
        another one.
        """
        browsing = self.browse()
        browsing.ask("/events")
        self.nodes.result(self.node.stopService())
        self.assertFalse(browsing.transport.connected)
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])
        self.node.startService()
        self.nodes.settle()
        _, _, body = self.browse().ask("/events")
        self.assertEqual([name for name, _ in messages(body)], ["state", "happened"])
        self.nodes.result(self.node.stopService())
