# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of what the programs are told, and what they tell.
"""

from __future__ import annotations

import statistics
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unified.application import reachable
from tests.unified.environment import Environment
from tests.unified.perf import PerfApplication
from tests.unified.summary import Summary, percentile
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError

VARIABLES = {
    "IS_DIALER": "false",
    "REDIS_ADDR": "transport-redis:6379",
    "TEST_KEY": "a1b2c3d4",
    "TRANSPORT": "tcp",
    "SECURE_CHANNEL": "noise",
    "MUXER": "yamux",
    "LISTENER_IP": "0.0.0.0",
    "DEBUG": "false",
}


class EnvironmentTests(SynchronousTestCase):
    """
    The variables.
    """

    def test_all(self) -> None:
        """
        What the suite tells is understood.
        """
        self.assertEqual(
            Environment.read(VARIABLES),
            Environment(
                dialer=False,
                host="transport-redis",
                port=6379,
                key="a1b2c3d4_listener_multiaddr",
                transport="tcp",
                security="noise",
                muxer="yamux",
                ip="0.0.0.0",
                debug=False,
                timeout=180,
            ),
        )

    def test_listen(self) -> None:
        """
        A listener listens where it is told to, a dialer nowhere.
        """
        for more, listen in (
            ({}, ["/ip4/0.0.0.0/tcp/0"]),
            ({"LISTENER_IP": "::1"}, ["/ip6/::1/tcp/0"]),
            ({"TRANSPORT": "ws"}, ["/ip4/0.0.0.0/tcp/0/ws"]),
            ({"TRANSPORT": "wss"}, ["/ip4/0.0.0.0/tcp/0/wss"]),
            ({"TRANSPORT": "quic-v1"}, ["/ip4/0.0.0.0/udp/0/quic-v1"]),
            ({"IS_DIALER": "true"}, []),
        ):
            environment = Environment.read({**VARIABLES, **more})
            self.assertEqual(environment.listen(), listen)

    def test_standalone(self) -> None:
        """
        A transport that secures and multiplexes by itself needs no other names.
        """
        variables = {**VARIABLES, "TRANSPORT": "quic-v1"}
        del variables["SECURE_CHANNEL"], variables["MUXER"]
        environment = Environment.read(variables)
        self.assertEqual((environment.security, environment.muxer), ("", ""))

    def test_defaults(self) -> None:
        """
        What has a default may be missing.
        """
        variables = {**VARIABLES, "REDIS_ADDR": "redis", "TEST_TIMEOUT_SECS": ""}
        del variables["LISTENER_IP"], variables["DEBUG"]
        environment = Environment.read(variables)
        self.assertEqual(environment.port, 6379)
        self.assertEqual(environment.ip, "0.0.0.0")
        self.assertEqual(environment.timeout, 180)
        self.assertFalse(environment.debug)

    def test_bad(self) -> None:
        """
        What is missing, or makes no sense, or cannot be done, is named.
        """
        for name, value in (
            ("IS_DIALER", "yes"),
            ("REDIS_ADDR", ""),
            ("REDIS_ADDR", ":6379"),
            ("REDIS_ADDR", "redis:port"),
            ("REDIS_ADDR", "redis:65536"),
            ("TEST_KEY", ""),
            ("TRANSPORT", "webtransport"),
            ("SECURE_CHANNEL", ""),
            ("MUXER", "spdy"),
            ("TEST_TIMEOUT_SECS", "soon"),
            ("TEST_TIMEOUT_SECS", "0"),
        ):
            with self.assertRaises(ConfigurationError) as caught:
                Environment.read({**VARIABLES, name: value})
            self.assertIn(name, str(caught.exception))

    def test_work(self) -> None:
        """
        How much perf measures is told, too, or as much as always.
        """
        clock: Any = Clock()
        usual = PerfApplication(clock, VARIABLES)
        self.assertEqual((usual.upload, usual.uploads), (1 << 30, 10))
        self.assertEqual((usual.download, usual.downloads), (1 << 30, 10))
        self.assertEqual(usual.latencies, 100)
        told = {
            "UPLOAD_BYTES": "1",
            "UPLOAD_ITERATIONS": "2",
            "DOWNLOAD_BYTES": "3",
            "DOWNLOAD_ITERATIONS": "4",
            "LATENCY_ITERATIONS": "5",
        }
        perf = PerfApplication(clock, {**VARIABLES, **told})
        self.assertEqual(
            [
                perf.upload,
                perf.uploads,
                perf.download,
                perf.downloads,
                perf.latencies,
            ],
            [1, 2, 3, 4, 5],
        )
        for name in told:
            with self.assertRaises(ConfigurationError):
                PerfApplication(clock, {**VARIABLES, name: "0"})


class ReachableTests(SynchronousTestCase):
    """
    Which address is told.
    """

    def test_order(self) -> None:
        """
        One that another container can dial, if there is any.
        """
        loopback = Multiaddr("/ip4/127.0.0.1/tcp/4001")
        private = Multiaddr("/ip4/172.18.0.2/tcp/4001")
        self.assertEqual(reachable([loopback, private]), private)
        self.assertEqual(reachable([private, loopback]), private)
        self.assertEqual(reachable([loopback]), loopback)


class SummaryTests(SynchronousTestCase):
    """
    What measurements come to.
    """

    def test_percentiles(self) -> None:
        """
        They are interpolated as Python's own do it.
        """
        values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
        expected = statistics.quantiles(values, n=4, method="inclusive")
        self.assertEqual([percentile(values, n / 4) for n in (1, 2, 3)], expected)

    def test_one(self) -> None:
        """
        One value is all there is to say.
        """
        self.assertEqual(
            Summary.of([2.5]).lines("upload", "Gbps"),
            [
                "upload:",
                "  iterations: 1",
                "  min: 2.500",
                "  q1: 2.500",
                "  median: 2.500",
                "  q3: 2.500",
                "  max: 2.500",
                "  outliers: []",
                "  samples: [2.500]",
                "  unit: Gbps",
            ],
        )

    def test_outliers(self) -> None:
        """
        What lies far outside is set apart; the quartiles count it.
        """
        lines = Summary.of([5.0, 1.0, 100.0, 3.0, 2.0, 4.0]).lines("latency", "ms")
        self.assertIn("  outliers: [100.000]", lines)
        self.assertIn("  min: 1.000", lines)
        self.assertIn("  max: 5.000", lines)
        self.assertIn("  q3: 4.750", lines)
        self.assertIn("  iterations: 6", lines)
        self.assertIn("  samples: [1.000, 2.000, 3.000, 4.000, 5.000, 100.000]", lines)
