# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.processes}, and for the supervisor and the worker
that C{twist libp2p} makes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.twist._options import TwistOptions
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.daemon.signals import HangupService, TerminationService
from twisted_libp2p.identity import Identity
from twisted_libp2p.limits import Limits
from twisted_libp2p.tap import Failed, Options, makeService
from twisted_libp2p.transport.inherited import InheritedSocket
from twisted_libp2p.workers.command import environment, reactorName, workerCommand
from twisted_libp2p.workers.settings import VARIABLE, WorkerSettings
from twisted_libp2p.workers.supervisor import Supervisor

LISTEN = ("-l", "/ip4/127.0.0.1/tcp/0")


def make(*arguments: str) -> Any:
    """
    Make the service that the arguments ask for.
    """
    options = Options()
    options.parseOptions(list(arguments))
    return makeService(options, MemoryReactorClock())


class ProcessesTests(SynchronousTestCase):
    """
    C{--processes}.
    """

    def test_supervisor(self) -> None:
        """
        There is a supervisor with as many places, with its pages and the handlers of
        the signals.
        """
        supervisor = make("--processes=3", *LISTEN, "--status=tcp:0", "--metrics=tcp:0")
        assert isinstance(supervisor, Supervisor)
        self.assertEqual(supervisor.name, "libp2p")
        self.assertEqual(len(supervisor.places), 3)
        kinds = [type(each) for each in supervisor.services]
        self.assertIn(HangupService, kinds)
        self.assertIn(TerminationService, kinds)
        self.assertEqual(
            {each.name for each in supervisor.services if each.name},
            {"status", "metrics"},
        )

    def test_wrong(self) -> None:
        """
        Options that several processes cannot obey are errors of one line.
        """
        for arguments, part in (
            ((*LISTEN, "--relay-service"), "--relay-service: a relay has"),
            ((*LISTEN, "--share-ports"), "--share-ports: the processes share"),
            ((*LISTEN, "--open=tcp:0=PEER/x"), "--open: each process would"),
            ((*LISTEN, "--socks=tcp:0"), "--socks: each process would"),
            ((*LISTEN, "--receive=x"), "--receive: each process would"),
            ((*LISTEN, "--dht=server"), "--dht server"),
            (("--no-listen",), "--no-listen: there is nothing"),
            (("-l", "/ip4/127.0.0.1/udp/0/quic-v1"), "QUIC"),
            (("-l", "endpoint:tcp:0"), "endpoint"),
        ):
            error = self.assertRaises(Failed, make, "--processes=2", *arguments)
            self.assertIn(part, str(error))
            self.assertNotIn("\n", str(error))
        self.assertRaises(UsageError, make, "--processes=0")

    def test_presence(self) -> None:
        """
        Presence needs a database.
        """
        database = f"--peerstore=sqlite:{self.mktemp()}"
        node = make("--no-listen", "--presence", database)
        self.assertIn("presence", {each.name for each in node.services})
        node = make("--no-listen", "--presence-dial", database)
        names = {each.name for each in node.services}
        self.assertLessEqual({"presence", "presence routing"}, names)
        error = self.assertRaises(Failed, make, "--no-listen", "--presence")
        self.assertIn("postgresql:DSN", str(error))

    def test_memory(self) -> None:
        """
        The processes share the memory of the machine.
        """
        one, four = (Limits.scaled(processes=each).system.memory for each in (1, 4))
        self.assertEqual(one // 4, four)

    def test_command(self) -> None:
        """
        A worker runs with the same options, reactor and log.
        """
        options = TwistOptions()
        options["logLevel"] = LogLevel.warn
        options["logFile"] = sys.stderr
        command, capture = workerCommand(MemoryReactorClock(), options, ["--echo"])
        self.assertFalse(capture)
        self.assertEqual(command[:3], [sys.executable, "-m", "twisted"])
        self.assertEqual(command[-2:], ["libp2p", "--echo"])
        self.assertIn("--log-file=+", command)
        self.assertIn("--log-level=warn", command)
        self.assertIn("--reactor=default", command)
        command, capture = workerCommand(MemoryReactorClock(), None, ["--echo"])
        self.assertTrue(capture)

    def test_reactor(self) -> None:
        """
        The reactor has the name by which C{twist} finds it.
        """
        self.assertEqual(reactorName(SelectReactor.__new__(SelectReactor)), "select")

    def test_environment(self) -> None:
        """
        A worker finds modules where this process does.
        """
        path = environment()["PYTHONPATH"].split(os.pathsep)
        self.assertEqual(path, [each for each in sys.path if each])

    def test_worker(self) -> None:
        """
        A process with the variable of a worker is one: it has the identity and the
        sockets of its supervisor, no page and no control socket.
        """
        identity = Identity.generate()
        orders, write = os.pipe()
        self.addCleanup(os.close, orders)
        settings = WorkerSettings(
            number=1,
            key=identity.privateKey.toBytes(),
            listen=("/ip4/127.0.0.1/tcp/4001",),
            sockets=(InheritedSocket(write, "127.0.0.1", 4001, "tcp", 4001),),
            orders=orders,
            reports=write,
        )
        os.write(write, settings.toBytes())
        self.patch(os, "environ", {**os.environ, VARIABLE: str(orders)})
        folder = self.mktemp()
        # The file of settings, in which these may be, has changed since.
        node = make(*LISTEN, "--status=tcp:0", f"--data={folder}")
        self.assertEqual(node.peerID, identity.peerID)
        self.assertEqual(
            [str(each) for each in node.listeners.requested], list(settings.listen)
        )
        names = {each.name for each in node.services if each.name}
        self.assertIn("worker", names)
        self.assertFalse(names & {"status", "metrics", "control", "notify"})
        self.assertTrue(node.ownAddresses.shared)
        self.assertNotIn(VARIABLE, os.environ)
        os.close(write)
