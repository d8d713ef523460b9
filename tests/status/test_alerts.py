# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The alerts in C{examples/prometheus}.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.status.test_metrics import requireClient
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.status import NodeMetrics
from twisted_libp2p.testing import MemoryNodes

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "prometheus" / "libp2p.rules.yml"


class AlertTests(SynchronousTestCase):
    """
    The alerts.
    """

    def test_names(self) -> None:
        """
        Each name in an expression is that of a metric of a node, or one that Prometheus
        makes.
        """
        requireClient()
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        node = nodes.start()
        store: Any = openPeerStore(MemoryReactorClock(), f"sqlite:{self.mktemp()}")
        store.turns.ended(0.0, 0.0)
        metrics = NodeMetrics(node)
        self.patch(node, "peerstore", store)
        metrics.refresh()
        found = {"up", "process_start_time_seconds"}
        found |= {"process_open_fds", "process_max_fds"}
        # Of a node in several processes; tests.workers.test_pages has it.
        found.add("libp2p_process_up")
        for family in metrics.registry.collect():
            names = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
            for suffix in names.get(family.type, [""]):
                found.add(f"{family.name}{suffix}")
        used = set(re.findall(r"\b(?:libp2p|process)_\w+", RULES.read_text()))
        self.assertEqual(used - found, set())
        self.assertGreater(len(used), 12)

    def test_explained(self) -> None:
        """
        The manual explains each alert.
        """
        manual = (ROOT / "docs" / "operations.rst").read_text()
        for name in re.findall(r"- alert: (\w+)", RULES.read_text()):
            self.assertIn(f"``{name}``", manual)
