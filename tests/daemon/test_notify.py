# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.daemon.notify}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorUNIXDatagram
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.processes import TWIST, Program, ProgramTestCase
from twisted_libp2p.daemon.notify import Manager, NotifyService, report
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node.conditions import Condition
from twisted_libp2p.testing import HostDouble


def listen(path: str, manager: DatagramProtocol) -> Any:
    """
    Listen as a service manager does.
    """
    return IReactorUNIXDatagram(reactor).listenUNIXDatagram(path, manager, 8192, 0o600)


class ManagerTests(SynchronousTestCase):
    """
    The service manager, as the environment describes it.
    """

    def test_none(self) -> None:
        """
        There need not be one.
        """
        for environment in ({}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "5"}):
            self.assertIsNone(Manager.of(environment, 7))

    def test_sockets(self) -> None:
        """
        Its socket has a path, or is an abstract one.
        """
        for place, socket in (("/run/notify", "/run/notify"), ("@a/b", "\0a/b")):
            self.assertEqual(
                Manager.of({"NOTIFY_SOCKET": place}, 7), Manager(socket, None)
            )

    def test_watchdog(self) -> None:
        """
        Signs of life are sent if they are wanted from this process.
        """
        for more, seconds in (
            ({}, 0.25),
            ({"WATCHDOG_PID": "7"}, 0.25),
            ({"WATCHDOG_PID": "8"}, None),
        ):
            manager = Manager.of(
                {"NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "250000", **more}, 7
            )
            self.assertEqual(manager, Manager("\0a", seconds))

    def test_wrong(self) -> None:
        """
        A wrong value is an error of one line.
        """
        for name, value in (
            ("NOTIFY_SOCKET", "run/notify"),
            ("NOTIFY_SOCKET", "@"),
            ("WATCHDOG_USEC", "soon"),
            ("WATCHDOG_USEC", "0"),
        ):
            error = self.assertRaises(
                ConfigurationError,
                Manager.of,
                {"NOTIFY_SOCKET": "@a", name: value},
                7,
            )
            self.assertIn(f"{name}={value}: it has to be", str(error))

    def test_report(self) -> None:
        """
        Each value takes one line.
        """
        self.assertEqual(
            report(ready="1", status="a\nWATCHDOG=1"), b"READY=1\nSTATUS=a WATCHDOG=1"
        )


class Socket(DatagramProtocol):
    """
    The socket of a service manager.

    @ivar reports: the reports that nobody has waited for.
    """

    noisy = False

    def __init__(self) -> None:
        self.reports: list[bytes] = []
        self._waiting: Deferred[bytes] | None = None

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Keep a report, or give it to the caller that waits.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self.reports.append(datagram)
        else:
            waiting.callback(datagram)

    async def next(self) -> bytes:
        """
        Wait for the next report.
        """
        if self.reports:
            return self.reports.pop(0)
        self._waiting = Deferred()
        return await self._waiting

    async def find(self, line: bytes) -> bytes:
        """
        Wait for a report with a line.
        """
        while True:
            found = await self.next()
            if line in found.split(b"\n"):
                return found


class NotifyTests(TestCase):
    """
    The reports of a node, on real sockets and with a time of their own.
    """

    timeout = 600

    def serve(self, socket: str, watchdog: float | None = None) -> NotifyService:
        """
        Make the service, and the socket of its manager.
        """
        self.manager = Socket()
        port = listen(socket, self.manager)
        self.addCleanup(port.stopListening)
        self.clock = Clock()
        self.unmet = [Condition("peerstore", False, "not loaded yet")]
        service = NotifyService(
            reactor,
            Manager(socket, watchdog),
            lambda: list(self.unmet),
            lambda: "0 connections",
        )
        service.attach(HostDouble(self.clock))
        service.startService()
        self.addCleanup(self.stop, service)
        self.clock.advance(0)
        return service

    def stop(self, service: NotifyService) -> None:
        """
        Stop the service, unless a test has done so.
        """
        if service.running:
            service.stopService()

    async def test_life(self) -> None:
        """
        It reports why the node is not ready, that it is, and that it stops.
        """
        service = self.serve(f"{self.mktemp()[-40:].replace('/', '_')}.socket")
        self.assertEqual(await self.manager.next(), b"STATUS=peerstore: not loaded yet")
        self.clock.advance(1)
        self.unmet.clear()
        self.clock.advance(1)
        self.assertEqual(
            await self.manager.next(), b"READY=1\nSTATUS=ready, with 0 connections"
        )
        self.unmet.append(Condition("life", False, "draining"))
        self.clock.advance(1)
        service.drain()
        self.assertEqual(await self.manager.next(), b"STATUS=life: draining")
        self.assertEqual(await self.manager.next(), b"STOPPING=1")
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.manager.reports, [])

    async def test_watchdog(self) -> None:
        """
        It sends twice as many signs of life as are wanted, on an abstract socket.
        """
        self.serve(f"\0{os.getpid()}-{self.id()}", watchdog=0.5)
        self.assertEqual(await self.manager.next(), b"STATUS=peerstore: not loaded yet")
        for seconds in (0.25, 0.25, 0.25):
            self.assertEqual(await self.manager.next(), b"WATCHDOG=1")
            self.clock.advance(seconds)

    def test_missing(self) -> None:
        """
        Without the socket there is one line in the log, and nothing else.
        """
        service = NotifyService(reactor, Manager("/no/such/socket", 1.0), list, str)
        clock = Clock()
        service.attach(HostDouble(clock))
        service.startService()
        clock.advance(5)
        return service.stopService()


class ProgramTests(ProgramTestCase):
    """
    The real program.
    """

    async def test_twist(self) -> None:
        """
        A service manager learns that it is ready, that it is alive, and that it stops.
        """
        manager = Socket()
        name = f"{os.getpid()}-{self.id()}"
        port = listen(f"\0{name}", manager)
        self.addCleanup(port.stopListening)
        self.environment = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "200000"}
        program: Program = self.start(
            *TWIST, "libp2p", "-l", "/ip4/127.0.0.1/tcp/0", "--drain", "30"
        )
        await manager.find(b"READY=1")
        await manager.find(b"WATCHDOG=1")
        await manager.find(b"WATCHDOG=1")
        ended = program.stop()
        await manager.find(b"STOPPING=1")
        self.assertIn(await ended, (0, -15))

    async def test_wrong(self) -> None:
        """
        A wrong environment is one line.
        """
        self.environment = {"NOTIFY_SOCKET": "notify"}
        code, _, err = await self.execute(*TWIST, "libp2p", "--no-listen")
        self.assertEqual((code, err.count("\n")), (1, 1))
        self.assertIn("libp2p: NOTIFY_SOCKET=notify", err)
