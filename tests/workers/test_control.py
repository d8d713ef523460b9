# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.workers.control}.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs

from tests.workers.spawning import ADDRESS, Spawned, SupervisorTestCase
from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.ticket import Ticket
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.workers.control import FleetControl
from twisted_libp2p.workers.process import ANSWER_TIME

PEER = Identity.generate().peerID


class ControlTests(SupervisorTestCase):
    """
    Two workers that a test plays.
    """

    def setUp(self) -> None:
        """
        Make the commands.
        """
        super().setUp()
        self.path = os.path.join(self.mktemp(), "peers")
        self.book = PeerBook(self.path)
        control = FleetControl(self.reactor, self.supervisor, self.book)
        self.commands = control.commands()

    def begin(self) -> list[Spawned]:
        """
        Start the workers.
        """
        workers = self.start()
        for number, each in enumerate(workers):
            each.answers["control"] = partial(self.state, number)
        return workers

    def state(self, number: int) -> dict[str, Any]:
        """
        Return the state of a worker.
        """
        return {
            "peer": str(self.identity.peerID),
            "addresses": [f"{ADDRESS}/p2p/{self.identity.peerID}"],
            "paired": {},
            "connections": number + 1,
            "peers": [{"peer": f"peer {number}"}],
            "tunnels": [],
            "served": [{"protocol": "/x"}],
            "doors": [],
        }

    def command(self, name: str) -> Any:
        """
        Give a command.
        """
        return self.successResultOf(self.commands[name]({}))  # type: ignore[arg-type]

    def question(self, worker: Spawned, peer: PeerID, secret: bytes) -> Any:
        """
        Let a worker ask whether a peer is paired.

        @return: the reply.
        """
        worker.report(question=1, peer=str(peer), secret=secret.hex(), name="Laptop")
        return worker.replies.pop()

    def test_status(self) -> None:
        """
        The states of all workers are one, also if one of them does not answer.
        """
        silent, _ = self.begin()
        state = self.command("status")
        self.assertEqual(state["connections"], 3)
        names = [each["peer"] for each in state["peers"]]
        self.assertEqual(names, ["peer 0", "peer 1"])
        self.assertEqual(len(state["served"]), 2)
        silent.answers.clear()
        waiting: Any = self.commands["status"]({})
        self.assertNoResult(waiting)
        self.advance(ANSWER_TIME)
        self.assertEqual(self.successResultOf(waiting)["connections"], 2)

    def test_starting(self) -> None:
        """
        Before a worker accepts connections there is neither a state nor a ticket.
        """
        for name in ("status", "invite"):
            waiting: Any = self.commands[name]({})
            error = self.failureResultOf(waiting, ConfigurationError).value
            self.assertIn("no process accepts connections yet", str(error))

    def test_invite(self) -> None:
        """
        A ticket works once, at any worker, also one that has started since then; all of
        them know the paired peer.
        """
        one, two = self.begin()
        ticket = Ticket.parse(self.command("invite")["ticket"])
        self.assertEqual(ticket.peer, self.identity.peerID)
        self.assertEqual(list(map(str, ticket.addresses)), [ADDRESS])
        self.supervisor.roll()
        successor = self.spawned[-1]
        successor.ready()
        self.assertIsNone(self.question(successor, PEER, ticket.secret))
        self.assertEqual([each.peer for each in self.book], [PEER])
        for each in (one, two, successor):
            self.assertIn({"paired": True}, each.orders)
        other = Identity.generate().peerID
        with capturedLogs():
            refusal = self.question(two, other, ticket.secret)
        self.assertEqual(refusal, f"the ticket was used already, by {PEER}")
        self.assertNotIn(other, self.book)

    def test_removed(self) -> None:
        """
        A peer that the user has removed from the file does not come back by its ticket.
        """
        one, _ = self.begin()
        ticket = Ticket.parse(self.command("invite")["ticket"])
        for _ in range(2):
            self.assertIsNone(self.question(one, PEER, ticket.secret))
        Path(self.path).write_text("")
        with capturedLogs():
            self.assertIsNotNone(self.question(one, PEER, ticket.secret))
        self.assertEqual(Path(self.path).read_text(), "")

    def test_unknown(self) -> None:
        """
        A ticket that was not made here is refused, without a look at the file.
        """
        one, _ = self.begin()
        self.patch(self.book, "reload", self.fail)
        with capturedLogs():
            refusal = self.question(one, PEER, bytes(16))
        self.assertEqual(refusal, "the ticket is unknown here, or too old")
        self.assertEqual(one.orders, [])
