# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.workers.supervisor}, with its places and processes.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from errno import EAGAIN

from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer

from tests.workers.spawning import ADDRESS, SupervisorTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IDrainable
from twisted_libp2p.transport.inherited import InheritedSocket
from twisted_libp2p.workers.place import FIRST_WAIT, LONGEST_WAIT
from twisted_libp2p.workers.process import (
    ASK_INTERVAL,
    LONGEST_LINE,
    SILENCE,
    START_TIME,
)
from twisted_libp2p.workers.settings import VARIABLE
from twisted_libp2p.workers.supervisor import END_TIME


@implementer(IDrainable)
class Reporting(Service):
    """
    A service that counts the drains.
    """

    drained = 0

    def drain(self) -> None:
        """
        Count one.
        """
        self.drained += 1


class StartTests(SupervisorTestCase):
    """
    What workers get from their supervisor.
    """

    def test_settings(self) -> None:
        """
        Each worker has the key and the sockets; its environment has neither the key nor
        the variables of systemd.
        """
        announced: list[list[str]] = []
        self.supervisor.listening = announced.append
        for number, worker in enumerate(self.start(), 1):
            settings = worker.settings
            self.assertEqual(worker.arguments, ["worker", "--echo"])
            self.assertEqual(
                worker.environment, {"HOME": "/", VARIABLE: str(settings["orders"])}
            )
            self.assertEqual(settings["number"], number)
            (passed,) = settings["sockets"]
            ours = worker.descriptors[passed["descriptor"]]
            with socket.socket(fileno=os.dup(ours)) as bound:
                self.assertEqual(bound.getsockname(), (passed["host"], passed["port"]))
            self.assertEqual((passed["protocol"], passed["requested"]), ("tcp", 0))
        self.assertEqual(announced, [[ADDRESS]])

    def test_sockets(self) -> None:
        """
        Addresses of one port share a socket; each port 0 is a port of its own; a socket
        of systemd is passed on.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as given:
            port = given.getsockname()[1]
            self.supervisor = self.supervise(
                f"/ip4/127.0.0.1/tcp/{port} /ip4/127.0.0.1/tcp/{port}/ws"
                f" {ADDRESS} {ADDRESS}/ws",
                inherited=[InheritedSocket.of(given.fileno())],
            )
            worker = self.start()[0]
            passed = worker.settings["sockets"]
            self.assertEqual([each["requested"] for each in passed], [port, 0, 0])
            self.assertEqual(len({each["port"] for each in passed}), 3)

    def test_taken(self) -> None:
        """
        If an address is taken, nothing is left open and nothing is started.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
            self.supervisor = self.supervise(f"{ADDRESS} /ip4/127.0.0.1/tcp/{port}")
            self.assertRaises(CannotListenError, self.supervisor.startService)
        self.assertEqual(self.spawned, [])

    def test_addresses(self) -> None:
        """
        An address whose connections no two processes can share is refused.
        """
        for address in ("/ip4/127.0.0.1/udp/1/quic-v1", "/unix/a"):
            error = self.assertRaises(ConfigurationError, self.supervise, address)
            self.assertIn(str(Multiaddr(address)), str(error))

    def test_late(self) -> None:
        """
        A worker that does not start in time is killed, and started again.
        """
        self.supervisor.startService()
        self.addCleanup(self.stop)
        self.reactor.advance(START_TIME)
        self.assertEqual([each.signals for each in self.spawned], [["KILL"]] * 2)
        self.spawned[0].end(9)
        self.reactor.advance(FIRST_WAIT)
        self.assertEqual(len(self.spawned), 3)

    def test_output(self) -> None:
        """
        The lines of a worker are logged if this program keeps the log.
        """
        self.supervisor = self.supervise(capture=True)
        worker = self.start()[0]
        self.assertEqual((worker.descriptors[1], worker.descriptors[2]), ("r", "r"))
        with capturedLogs() as events:
            worker.write("one\ntw")
            worker.write("o\n")
            worker.write("x" * (LONGEST_LINE + 1))
        lines = ["one", "two", "x" * (LONGEST_LINE + 1)]
        self.assertEqual(
            [formatEvent(each) for each in events],
            [f"[worker 1] {line}" for line in lines],
        )


class EndTests(SupervisorTestCase):
    """
    Workers that end, or should.
    """

    def test_restart(self) -> None:
        """
        A worker that ends is started again: later and later if it always ends at once.
        """
        worker = self.start()[0]
        waits = []
        for _ in range(6):
            worker.end(1)
            (waiting,) = [
                each
                for each in self.reactor.getDelayedCalls()
                if each.func.__name__ == "_restart"
            ]
            waits.append(waiting.getTime() - self.reactor.seconds())
            self.reactor.pump([waits[-1]])
            worker = self.spawned[-1]
        self.assertEqual(waits[0], FIRST_WAIT)
        self.assertEqual(waits, sorted(waits))
        self.assertAlmostEqual(waits[-1], LONGEST_WAIT)
        worker.ready()
        self.assertEqual(self.supervisor.places[0].restarts, 6)
        self.assertEqual(self.lives(), ["serving", "serving"])

    def test_noRoom(self) -> None:
        """
        If the system starts no further process for a while, it is tried again: for a
        worker that has ended, and for one that does not answer.
        """
        ended, silent = self.start()
        self.reactor.full = True
        with capturedLogs() as events:
            ended.end(1)
            silent.answers.clear()
            self.advance(SILENCE + 1)
        reason = f"[Errno {EAGAIN}] {os.strerror(EAGAIN)}"
        said = [formatEvent(each) for each in events]
        for number in (1, 2):
            self.assertIn(f"worker {number} cannot be started: {reason}", said)
        self.assertEqual(self.lives(), ["silent"])
        self.reactor.full = False
        self.advance(LONGEST_WAIT)
        self.assertEqual(self.lives(), ["starting", "silent", "starting"])
        self.advance(START_TIME / 2)
        self.assertEqual([each.signals for each in self.spawned], [[]] * 4)

    def test_silent(self) -> None:
        """
        A worker that answers no longer is replaced, and killed when its successor is
        ready.
        """
        silent, _ = self.start()
        silent.answers.clear()
        self.advance(SILENCE + 1)
        self.assertEqual(self.lives(), ["silent", "starting", "serving"])
        self.assertEqual((silent.signals, silent.waiting), ([], 1))
        self.spawned[-1].ready()
        self.assertEqual(silent.signals, ["KILL"])
        silent.end(9)
        self.assertEqual(self.lives(), ["serving", "serving"])

    def test_suspended(self) -> None:
        """
        A worker that is stopped by a signal is replaced at once, where the system shows
        it; there is one line in the log, even if its last answer is read after that.
        """
        stopped, _ = self.start()
        child = subprocess.Popen(["sleep", "600"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        worker = self.supervisor.workers[0]
        worker.pid = stopped.pid = child.pid
        self.advance(SILENCE)
        self.assertEqual(self.lives(), ["serving", "serving"])
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        stopped.answers.clear()
        with capturedLogs() as events:
            self.advance(ASK_INTERVAL)
            self.assertEqual(self.lives(), ["silent", "starting", "serving"])
            stopped.report(answer=0, **{"is": "running"})
            self.advance(ASK_INTERVAL)
        self.assertEqual(self.lives(), ["silent", "starting", "serving"])
        self.assertEqual(
            [formatEvent(each) for each in events],
            [
                f"worker 1 (process {child.pid}) does not answer: starting another",
                "worker 1 is process 102",
            ],
        )

    if sys.platform != "linux":
        test_suspended.skip = "this system does not show it"  # type: ignore[attr-defined]

    def test_silentTwice(self) -> None:
        """
        If the successor ends before it is ready, another one is started.
        """
        silent, _ = self.start()
        silent.answers.clear()
        self.advance(SILENCE + 1)
        self.spawned[-1].end(1)
        self.assertEqual(self.lives(), ["silent", "serving"])
        self.reactor.advance(FIRST_WAIT)
        self.assertEqual(self.lives(), ["silent", "starting", "serving"])

    def test_answeredAgain(self) -> None:
        """
        A worker that answers again serves until its successor is ready, and then ends
        in good order.
        """
        silent, _ = self.start()
        silent.answers.clear()
        self.advance(SILENCE + 1)
        silent.report(answer=0, **{"is": "running"})
        self.assertEqual(self.lives(), ["serving", "starting", "serving"])
        self.spawned[-1].ready()
        self.assertEqual((silent.signals, silent.orders), ([], [{"leave": "one"}]))

    def test_ownPause(self) -> None:
        """
        If this process itself was stopped, no worker counts as silent.
        """
        self.start()
        self.reactor.advance(600)
        self.assertEqual(self.lives(), ["serving", "serving"])

    def test_ending(self) -> None:
        """
        A worker that somebody else has asked to end is replaced at once.
        """
        ending, _ = self.start()
        ending.answers["life"] = lambda: "draining"
        self.advance(1)
        self.assertEqual(self.lives(), ["leaving", "starting", "serving"])
        self.spawned[-1].ready()
        self.assertEqual(ending.orders, [{"leave": "one"}])
        ending.end()
        self.assertEqual(self.lives(), ["serving", "serving"])

    def test_drain(self) -> None:
        """
        All workers finish their streams; the program waits for them, and starts none.
        """
        workers = self.start()
        port = workers[0].settings["sockets"][0]["port"]
        drained = self.supervisor.drain()
        self.assertEqual([each.orders for each in workers], [[{"leave": "all"}]] * 2)
        conditions = self.supervisor.conditions()
        self.assertEqual([each.met for each in conditions], [False, False])
        workers[0].end()
        self.assertNoResult(drained)
        workers[1].end()
        self.successResultOf(drained)
        self.assertEqual(len(self.spawned), 2)
        # The socket is closed.
        socket.create_server(("127.0.0.1", port)).close()

    def test_drainReported(self) -> None:
        """
        Services learn of the drain when it begins, such as the reports to systemd.
        """
        service = Reporting()
        service.setServiceParent(self.supervisor)
        workers = self.start()
        drained = self.supervisor.drain()
        self.assertEqual(service.drained, 1)
        for each in workers:
            each.end()
        self.successResultOf(drained)

    def test_drainTooLong(self) -> None:
        """
        A worker that does not end in time is killed.
        """
        workers = self.start()
        drained = self.supervisor.drain()
        self.advance(30 + END_TIME)
        self.assertEqual([each.signals for each in workers], [["KILL"]] * 2)
        for each in workers:
            each.end(9)
        self.successResultOf(drained)

    def test_stopTwice(self) -> None:
        """
        A stop during a drain ends the workers at once.
        """
        workers = self.start()
        self.supervisor.drain()
        stopped = self.supervisor.stopService()
        self.assertEqual([each.signals for each in workers], [["KILL"]] * 2)
        for each in workers:
            each.end(9)
        self.successResultOf(stopped)

    def test_startAgain(self) -> None:
        """
        A supervisor that was stopped can be started again.
        """
        first = self.start()
        stopped = self.supervisor.stopService()
        for each in first:
            each.end()
        self.successResultOf(stopped)
        self.supervisor.startService()
        self.assertEqual(self.lives(), ["starting", "starting"])

    def test_pipeClosed(self) -> None:
        """
        A worker whose pipe is closed gets no further message.
        """
        worker = self.start()[0]
        self.supervisor.workers[0].childConnectionLost(worker.settings["orders"])
        worker.answers.clear()
        self.advance(1)
        self.assertEqual(worker.waiting, 0)


class RollTests(SupervisorTestCase):
    """
    The replacement of all workers.
    """

    def test_roll(self) -> None:
        """
        Each worker ends when its successor is ready; then it is the turn of the next.
        """
        first, second = self.start()
        self.supervisor.roll()
        self.assertEqual(self.lives(), ["serving", "starting", "serving"])
        self.spawned[2].ready()
        self.assertEqual((first.orders, second.orders), ([{"leave": "one"}], []))
        self.assertEqual(self.lives(), ["leaving", "serving", "serving", "starting"])
        self.spawned[3].ready()
        self.assertEqual(second.orders, [{"leave": "one"}])
        first.end()
        second.end()
        self.assertEqual(self.lives(), ["serving", "serving"])
        self.assertEqual(len(self.spawned), 4)
        self.assertEqual([each.restarts for each in self.supervisor.places], [1, 1])

    def test_rollTwice(self) -> None:
        """
        If the configuration changes meanwhile, the workers that may have the older one
        are replaced again.
        """
        self.start()
        self.supervisor.roll()
        self.spawned[2].ready()
        self.advance(1)
        self.supervisor.roll()
        for number in range(3, 6):
            self.assertEqual(len(self.spawned), number + 1)
            self.spawned[number].ready()
        self.assertEqual(len(self.spawned), 6)

    def test_rollAtStart(self) -> None:
        """
        Workers that are not ready yet are replaced too.
        """
        self.supervisor.startService()
        self.addCleanup(self.stop)
        self.advance(1)
        self.supervisor.roll()
        for number in range(4):
            self.spawned[number].ready()
        self.assertEqual(len(self.spawned), 4)
        self.assertEqual(self.lives(), ["leaving", "serving", "leaving", "serving"])

    def test_cannotStart(self) -> None:
        """
        If a successor ends before it is ready, nobody else is replaced.
        """
        self.start()
        self.supervisor.roll()
        self.spawned[-1].end(1)
        self.assertEqual(self.lives(), ["serving", "serving"])
        self.advance(60)
        self.assertEqual(len(self.spawned), 3)
        self.supervisor.roll()
        self.assertEqual(self.lives(), ["serving", "starting", "serving"])

    def test_draining(self) -> None:
        """
        Nobody is replaced by a program that ends.
        """
        workers = self.start()
        self.supervisor.drain()
        self.supervisor.roll()
        self.assertEqual(len(self.spawned), 2)
        for each in workers:
            each.end()

    def test_conditions(self) -> None:
        """
        The program is ready as long as one worker accepts connections.
        """
        first, _ = self.start()
        first.end(1)
        found = [(each.met, each.detail) for each in self.supervisor.conditions()]
        self.assertEqual(found, [(True, "1 of 2 accept"), (True, "running")])
        self.reactor.advance(FIRST_WAIT)
        self.assertEqual(
            self.supervisor.conditions()[0].detail,
            "1 of 2 accept, worker 1 is starting",
        )
