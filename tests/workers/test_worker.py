# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.workers.worker}.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.pairing import PairingService
from twisted_libp2p.identity import Identity
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.workers import worker
from twisted_libp2p.workers.channel import Channel, packed
from twisted_libp2p.workers.settings import WorkerSettings

SETTINGS = WorkerSettings(number=1, key=b"", listen=(), sockets=(), orders=3, reports=4)


class Ending:
    """
    Notes how a program ends.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def leave(self) -> None:
        """
        Drain, and end.
        """
        self.calls.append("leave")

    def end(self) -> None:
        """
        End at once.
        """
        self.calls.append("end")


class WorkerTests(SynchronousTestCase):
    """
    A worker, a node in memory, whose supervisor is a test.
    """

    def setUp(self) -> None:
        """
        Start the worker.
        """
        self.signals: list[tuple[int, Any]] = []
        self.patch(signal, "signal", lambda *each: self.signals.append(each))
        self.patch(worker, "StandardIO", self.open)
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.ending = Ending()
        self.messages: list[dict[str, Any]] = []
        termination: Any = self.ending
        self.worker = worker.addWorker(
            self.nodes.clock,
            self.node,
            SETTINGS,
            termination,
            {"metrics": "tcp:9100", "status": "tcp:8080"},
        )
        self.nodes.settle()

    def open(self, channel: Channel, stdin: int, stdout: int, reactor: object) -> None:
        """
        Open the pipes.
        """
        self.assertEqual((stdin, stdout), (3, 4))
        self.channel = channel
        self.transport = StringTransport()
        channel.makeConnection(self.transport)

    def ask(self, **message: Any) -> Any:
        """
        Send a message, and return the answer.
        """
        self.channel.dataReceived(packed(message))
        return self.read()

    def read(self) -> Any:
        """
        Return the last message.
        """
        found: list[Any] = []
        Channel(found.append).dataReceived(self.transport.value())
        self.transport.clear()
        return found[-1] if found else None

    def test_ready(self) -> None:
        """
        It reports its addresses, and ignores the signals of the terminal.
        """
        self.assertEqual(
            self.read(), {"ready": [str(each) for each in self.node.addresses]}
        )
        self.assertEqual(
            self.signals,
            [(signal.SIGINT, signal.SIG_IGN), (signal.SIGHUP, signal.SIG_IGN)],
        )

    def test_life(self) -> None:
        """
        It reports the state of its node.
        """
        self.assertEqual(self.ask(ask=7, about="life"), {"answer": 7, "is": "running"})

    def test_metrics(self) -> None:
        """
        It reports its metrics.
        """
        self.nodes.connect(self.nodes.start(), self.node)
        families = self.ask(ask=1, about="metrics")["is"]
        samples = {
            name: value for _, _, _, several in families for name, _, value in several
        }
        self.assertEqual(samples["libp2p_swarm_connections_opened_total"], 1.0)

    def test_status(self) -> None:
        """
        It reports its state, and the events that were not reported before.
        """
        self.nodes.connect(self.nodes.start(), self.node)
        found = self.ask(ask=1, about="status", since=0)["is"]
        self.assertEqual(found["state"]["connections"]["count"], 1)
        self.assertEqual(len(found["events"]), found["next"])
        again = self.ask(ask=2, about="status", since=found["next"])["is"]
        self.assertEqual(again["events"], [])
        json.dumps(found)

    def test_leave(self) -> None:
        """
        It ends by order.  Its peers keep its addresses if other processes listen there.
        """
        addresses = self.node.addresses
        self.assertIsNone(self.read() and self.ask(leave="one"))
        self.assertEqual(self.ending.calls, ["leave"])
        draining = self.node.drain(5)
        self.assertEqual(self.node.addresses, addresses)
        self.nodes.advance(5)
        self.nodes.result(draining)

    def test_leaveAll(self) -> None:
        """
        If all processes end, peers lose the addresses.
        """
        self.ask(leave="all")
        draining = self.node.drain(5)
        self.assertEqual(self.node.addresses, [])
        self.nodes.result(draining)

    def test_abandoned(self) -> None:
        """
        It ends at once when its supervisor has ended.
        """
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.ending.calls, ["end"])
        self.nodes.result(self.node.stopService())

    def test_admit(self) -> None:
        """
        It asks the supervisor about a peer with a ticket, and reads the list of peers
        when there is another one.
        """
        peer = Identity.generate().peerID
        path = os.path.join(self.mktemp(), "peers")
        self.worker.pairing = PairingService(PeerBook(path), admit=self.worker.admit)
        for refusal in (None, "no"):
            self.transport.clear()
            waiting = self.worker.admit(peer, b"secret", "laptop")
            question = self.read()
            self.assertEqual(
                question,
                {
                    "question": question["question"],
                    "peer": str(peer),
                    "secret": b"secret".hex(),
                    "name": "laptop",
                },
            )
            self.ask(reply=question["question"], **{"is": refusal})
            self.assertEqual(self.successResultOf(waiting), refusal)
        PeerBook(path).add(peer, "laptop")
        self.ask(paired=True)
        self.assertIn(peer, self.worker.pairing.book)
        state = self.ask(ask=1, about="control")["is"]
        self.assertEqual(state["paired"], {str(peer): "laptop"})

    def test_late(self) -> None:
        """
        A supervisor that does not reply refuses.
        """
        waiting = self.worker.admit(Identity.generate().peerID, b"secret", "x")
        self.nodes.advance(worker.REPLY_TIME)
        self.assertIn("try again", str(self.successResultOf(waiting)))
        self.ask(reply=1, **{"is": None})
