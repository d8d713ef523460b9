# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the applications, with a real Redis, as the suite runs them.
"""

from __future__ import annotations

import contextlib
from itertools import product
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.processes import Program
from tests.unified.__main__ import APPLICATIONS
from tests.unified.environment import STANDALONE, TRANSPORTS
from tests.unified.harness import Harness, measured
from tests.unified.perf import PerfApplication
from tests.unified.transport import TransportApplication
from twisted_libp2p.node import MUXERS, SECURITIES

SMALL = {
    "UPLOAD_BYTES": "3000000",
    "UPLOAD_ITERATIONS": "3",
    "DOWNLOAD_BYTES": "2000000",
    "DOWNLOAD_ITERATIONS": "2",
    "LATENCY_ITERATIONS": "5",
}


class ApplicationTests(TestCase):
    """
    Both sides are ours.
    """

    timeout = 600

    async def setUp(self) -> None:  # type: ignore[override]
        """
        Start the suite.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.harness = Harness(folder)
        self.addCleanup(self.harness.stop)
        self.redis = await self.harness.start()

    def refused(self, program: Program) -> str:
        """
        This program has failed, and said why in one line, on stderr.
        """
        self.assertEqual(program.code, 1)
        self.assertEqual(program.out, b"")
        line = program.err.decode()
        self.assertEqual(line.count("\n"), 1, line)
        self.assertEqual(line[:9], "unified: ")
        return line

    async def meet(
        self, application: str, security: str, muxer: str, **more: str
    ) -> dict[str, dict[str, str]]:
        """
        Run both sides as programs; the dialer begins.

        @return: what the dialer tells.
        """
        key = self.harness.key()
        run = self.harness.run
        dialer = run(application, True, key, security, muxer, **more)
        listener = run(application, False, key, security, muxer)
        self.assertEqual(await dialer.ends(), 0, dialer.err)
        self.assertEqual(dialer.err, b"")
        self.assertEqual(await listener.stop(), 0, listener.err)
        self.assertEqual(listener.out + listener.err, b"")
        return measured(application, dialer.out.decode())

    async def meetHere(
        self, application: str, security: str, muxer: str, transport: str, **more: str
    ) -> dict[str, dict[str, str]]:
        """
        Run both sides in this process: how a program starts does not depend on the
        stack, and takes longer than what it does.

        @return: what the dialer tells.
        """
        key, kind = self.harness.key(), APPLICATIONS[application]
        dialer, listener = (
            kind(
                reactor,
                {**self.harness.told(side, key, security, muxer, transport), **more},
            )
            for side in (True, False)
        )
        dialing = Deferred.fromCoroutine(dialer.run())
        listening = Deferred.fromCoroutine(listener.run())
        lines = await dialing
        listening.cancel()
        with contextlib.suppress(CancelledError):
            await listening
        return measured(application, "\n".join(lines))

    async def test_programs(self) -> None:
        """
        The programs do the same as what is run here.
        """
        told = await self.meet("transport", "noise", "yamux")
        self.assertEqual(list(told), ["latency"])
        told = await self.meet("perf", "noise", "yamux", **SMALL)
        self.assertEqual(list(told), ["upload", "download", "latency"])

    async def test_transport(self) -> None:
        """
        Every stack dials, and tells how long the first ping took.
        """
        for transport in TRANSPORTS:
            # One stack is enough to show that a WebSocket carries it.
            securities = SECURITIES if transport == "tcp" else ["noise"]
            muxers = MUXERS if transport == "tcp" else ["yamux"]
            if transport in STANDALONE:
                securities = muxers = [""]
            for security, muxer in product(securities, muxers):
                told = await self.meetHere("transport", security, muxer, transport)
                self.assertEqual(list(told), ["latency"])
                latency = told["latency"]
                self.assertEqual(
                    list(latency), ["handshake_plus_one_rtt", "ping_rtt", "unit"]
                )
                self.assertEqual(latency["unit"], "ms")
                self.assertGreater(float(latency["ping_rtt"]), 0)
                self.assertGreater(
                    float(latency["handshake_plus_one_rtt"]),
                    float(latency["ping_rtt"]),
                )

    async def test_perf(self) -> None:
        """
        Every stack uploads, downloads, and tells how long one byte took.
        """
        for security in SECURITIES:
            for muxer in MUXERS:
                told = await self.meetHere("perf", security, muxer, "tcp", **SMALL)
                self.assertEqual(list(told), ["upload", "download", "latency"])
                for name, iterations, unit in (
                    ("upload", 3, "Gbps"),
                    ("download", 2, "Gbps"),
                    ("latency", 5, "ms"),
                ):
                    figures = told[name]
                    self.assertEqual(figures["iterations"], str(iterations))
                    self.assertEqual(figures["unit"], unit)
                    samples = figures["samples"].strip("[]").split(", ")
                    self.assertEqual(len(samples), iterations)
                    order = ["min", "q1", "median", "q3", "max"]
                    values = [float(figures[each]) for each in order]
                    self.assertEqual(values, sorted(values))
                    self.assertGreater(values[0], 0)

    async def test_again(self) -> None:
        """
        What an earlier test has left under the key, of whatever type, does not
        mislead the next one's listener.
        """
        key = self.harness.key()
        variables = {
            "IS_DIALER": "false",
            "REDIS_ADDR": "127.0.0.1",
            "TEST_KEY": key,
            "TRANSPORT": "tcp",
            "SECURE_CHANNEL": "noise",
            "MUXER": "yamux",
        }
        name = f"{key}_listener_multiaddr"
        for command in ("SET", "RPUSH"):
            await self.redis.call("DEL", name)
            await self.redis.call(command, name, "old")
            await TransportApplication(reactor, variables).publish(self.redis, "new")
            self.assertEqual(await self.redis.call("LRANGE", name, "0", "-1"), ["new"])
            await self.redis.call("DEL", name)
            await self.redis.call("SET", name, "old")
            perf = PerfApplication(reactor, variables)
            await perf.publish(self.redis, "new")
            self.assertEqual(await perf.find(self.redis), "new")

    async def test_alone(self) -> None:
        """
        A dialer without a listener gives up, and so does a listener without an
        end; a dialer whose listener is gone says so.
        """
        run, late = self.harness.run, {"TEST_TIMEOUT_SECS": "1"}
        key = self.harness.key()
        lonely = [
            run("transport", True, self.harness.key(), "noise", "yamux", **late),
            run("perf", True, self.harness.key(), "noise", "yamux", **late),
            run("transport", False, self.harness.key(), "noise", "yamux", **late),
        ]
        peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
        gone = f"/ip4/127.0.0.1/tcp/1/p2p/{peer}"
        await self.redis.call("RPUSH", f"{key}_listener_multiaddr", gone)
        dialer = run("transport", True, key, "noise", "yamux")
        await gatherResults([each.ends() for each in (*lonely, dialer)])
        for each in lonely:
            self.assertIn("1 seconds", self.refused(each))
        self.assertIn("refused", self.refused(dialer))

    async def test_impossible(self) -> None:
        """
        What we cannot do fails at once, and so does a Redis that is not there.
        """
        run, key = self.harness.run, self.harness.key()
        programs = [
            run("transport", True, key, "secrets", "yamux"),
            run("perf", False, key, "noise", "spdy"),
            run("bogus", False, key, "noise", "yamux"),
        ]
        await gatherResults([each.ends() for each in programs])
        for each, word in zip(
            programs, ("SECURE_CHANNEL", "MUXER", "transport, perf"), strict=True
        ):
            self.assertIn(word, self.refused(each))
