# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.workers.pages}, with the metrics and the observer of all
workers.
"""

from __future__ import annotations

import json
from typing import Any

from tests.status.browsing import Browsing
from tests.workers.spawning import SupervisorTestCase
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.workers.observer import FleetObserver, joined
from twisted_libp2p.workers.pages import serveFleetMetrics, serveFleetStatus
from twisted_libp2p.workers.process import ANSWER_TIME


class PagesTests(SupervisorTestCase):
    """
    The pages of a supervisor, whose two workers are one node in memory.
    """

    def setUp(self) -> None:
        """
        Start the node, with one connection.
        """
        super().setUp()
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        self.node = nodes.start()
        self.observer = Observer(self.node)
        self.addCleanup(self.observer.close)
        self.other = nodes.start()
        nodes.connect(self.other, self.node)

    def serve(self, serve: Any) -> Browsing:
        """
        Serve a page, and start the workers.
        """
        serve(self.reactor, self.supervisor, "tcp:8080")
        self.workers = self.start()
        for each in self.workers:
            each.answers["status"] = self.state
            each.answers["metrics"] = lambda: [
                ["made", "Things made", "counter", [["made_total", {"kind": "a"}, 2.0]]]
            ]
        return Browsing(self.reactor)

    def state(self) -> dict[str, Any]:
        """
        Answer as a worker does.
        """
        return {
            "state": self.observer.snapshot(),
            "events": [each.asJSON() for each in self.observer.since(0)],
            "next": self.observer.number,
        }

    def test_status(self) -> None:
        """
        Numbers are added, and each connection and event has its process.
        """
        code, _, body = self.serve(serveFleetStatus).ask("/snapshot")
        self.assertEqual(code, 200)
        state = json.loads(body[body.index("{") : body.rindex("}") + 1])
        self.assertEqual(state["peer"], str(self.identity.peerID))
        self.assertEqual(state["peers"], 1)
        self.assertEqual(state["connections"]["count"], 2)
        self.assertEqual(
            [each["process"] for each in state["connections"]["shown"]], [1, 2]
        )
        self.assertEqual(
            [(each["number"], each["state"]) for each in state["processes"]],
            [(1, "serving"), (2, "serving")],
        )
        self.assertEqual([each["connections"] for each in state["processes"]], [1, 1])
        one = self.observer.snapshot()
        self.assertEqual(state["totals"]["opened"], 2 * one["totals"]["opened"])
        self.assertEqual(len(state["events"]), 2 * len(self.observer.since(0)))
        self.assertTrue(state["events"][0]["detail"].startswith("["))

    def test_tunnels(self) -> None:
        """
        Each tunnel of each worker is a line with its number.
        """
        states = {}
        for number in (1, 3):
            states[number] = {**self.observer.snapshot(), "tunnels": ["/a: 0 open"]}
        self.assertEqual(
            joined(states)["tunnels"], ["[1] /a: 0 open", "[3] /a: 0 open"]
        )

    def test_eventsOnce(self) -> None:
        """
        The events of a worker that did not answer for a while come once.
        """
        observer = FleetObserver(self.reactor, self.supervisor)
        silent, other = self.start()
        for each in (silent, other):
            each.answers["status"] = self.state
        self.successResultOf(observer.refresh())
        answers = dict(silent.answers)
        silent.answers.clear()
        refreshed = observer.refresh()
        self.advance(ANSWER_TIME)
        self.successResultOf(refreshed)
        silent.answers.update(answers)
        silent.report(answer=0, **{"is": "running"})
        self.successResultOf(observer.refresh())
        self.assertEqual(silent.since, self.observer.number)

    def test_starting(self) -> None:
        """
        There is a page before any worker is ready.
        """
        serveFleetStatus(self.reactor, self.supervisor, "tcp:8080")
        self.supervisor.startService()
        self.addCleanup(self.stop)
        browsing = Browsing(self.reactor)
        code, _, body = browsing.ask("/snapshot")
        self.assertEqual(code, 200)
        state = json.loads(body[body.index("{") : body.rindex("}") + 1])
        self.assertEqual(state["processes"][0]["state"], "starting")
        self.assertEqual(
            state.keys() - {"processes", "events"}, self.observer.snapshot().keys()
        )
        code, _, body = browsing.ask("/readyz")
        self.assertEqual(code, 503)
        self.assertIn("no workers: 0 of 2 accept", body)

    def test_metrics(self) -> None:
        """
        Each series has the label of its process.
        """
        code, _, body = self.serve(serveFleetMetrics).ask("/metrics")
        self.assertEqual(code, 200)
        for line in (
            'made_total{kind="a",process="1"} 2.0',
            'made_total{kind="a",process="2"} 2.0',
            'libp2p_process_up{process="2"} 1.0',
            'libp2p_process_restarts_total{process="1"} 0.0',
        ):
            self.assertIn(f"{line}\n", body)

    def test_leavingMetrics(self) -> None:
        """
        A worker that finishes its streams has its process id in the label, and nothing
        that looks like a fault.
        """
        browsing = self.serve(serveFleetMetrics)
        self.workers[0].answers["metrics"] = lambda: [
            ["held", "Things held", "gauge", [["held", {}, 7.0]]],
            ["libp2p_condition", "Life", "gauge", [["libp2p_condition", {}, 0.0]]],
        ]
        self.supervisor.roll()
        self.spawned[-1].answers["metrics"] = lambda: []
        self.spawned[-1].ready()
        _, _, body = browsing.ask("/metrics")
        pid = self.workers[0].pid
        for line in (
            f'held{{process="1-{pid}"}} 7.0',
            'libp2p_process_up{process="1"} 1.0',
            'libp2p_process_leaving{process="1"} 1.0',
            'libp2p_process_leaving{process="2"} 0.0',
        ):
            self.assertIn(f"{line}\n", body)
        self.assertNotIn("libp2p_condition", body)

    def test_silentWorker(self) -> None:
        """
        The answer does not wait for a worker that is stopped.
        """
        browsing = self.serve(serveFleetMetrics)
        self.workers[0].answers.clear()
        with self.assertRaises(IndexError):
            # There is no answer yet.
            browsing.ask("/metrics")
        self.advance(ANSWER_TIME)
        body = browsing.more()
        self.assertIn('made_total{kind="a",process="2"} 2.0\n', body)
        self.assertNotIn('made_total{kind="a",process="1"}', body)

    def test_goneBrowser(self) -> None:
        """
        A browser that leaves before the answer gets none, and nothing fails.
        """
        for serve, path in (
            (serveFleetMetrics, "/metrics"),
            (serveFleetStatus, "/snapshot"),
        ):
            browsing = self.serve(serve)
            for each in self.workers:
                each.answers.clear()
            with self.assertRaises(IndexError):
                browsing.ask(path)
            browsing.transport.loseConnection()
            self.advance(ANSWER_TIME)
            self.assertEqual(browsing.more(), "")
            self.stop()

    def test_guarded(self) -> None:
        """
        Pages are not for other web sites.
        """
        browsing = self.serve(serveFleetStatus)
        for path in ("/", "/snapshot", "/readyz"):
            self.assertEqual(browsing.ask(path, "evil.example")[0], 403)
