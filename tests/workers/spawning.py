# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A reactor whose processes are played by a test.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EAGAIN
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.workers.channel import Channel, packed
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["Spawned", "SpawningReactor", "SupervisorTestCase"]

ADDRESS = "/ip4/127.0.0.1/tcp/0"


class Spawned:
    """
    A process that a test plays: the transport of its protocol.

    @ivar settings: the first message that it got.
    @ivar orders: the orders that it got after that.
    @ivar replies: the replies that it got to its questions.
    @ivar signals: the signals that it got.
    @ivar answers: the answer to a question by its subject; a question without an answer
        is kept waiting.
    @ivar waiting: the number of questions without an answer.
    @ivar since: the event from which on it was last asked for its state.
    """

    def __init__(
        self,
        pid: int,
        protocol: Any,
        arguments: list[str],
        environment: dict[str, str],
        folder: str | None,
        childFDs: dict[int, Any],
    ) -> None:
        self.pid = pid
        self.arguments = arguments
        self.environment = environment
        self.folder = folder
        self.descriptors = childFDs
        self.settings: dict[str, Any] = {}
        self.orders: list[dict[str, Any]] = []
        self.replies: list[Any] = []
        self.signals: list[str] = []
        self.waiting = 0
        self.since: int | None = None
        self.answers: dict[str, Callable[[], Any]] = {"life": lambda: "running"}
        self._protocol = protocol
        self._channel = Channel(self._received)

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """
        Read orders.
        """
        assert self.descriptors[descriptor] == "w"
        self._channel.dataReceived(data)

    def _received(self, message: dict[str, Any]) -> None:
        self.since = message.get("since", self.since)
        if not self.settings:
            self.settings = message
        elif "reply" in message:
            self.replies.append(message["is"])
        elif "ask" not in message:
            self.orders.append(message)
        elif message["about"] in self.answers:
            answer = self.answers[message["about"]]()
            self.report(answer=message["ask"], **{"is": answer})
        else:
            self.waiting += 1

    def signalProcess(self, name: str) -> None:
        """
        Receive a signal; the test decides what it does.
        """
        self.signals.append(name)

    def report(self, **message: Any) -> None:
        """
        Send a message to the supervisor.
        """
        self._protocol.childDataReceived(self.settings["reports"], packed(message))

    def ready(self) -> None:
        """
        Report that it listens.
        """
        self.report(ready=[ADDRESS])

    def write(self, text: str) -> None:
        """
        Write to its output.
        """
        self._protocol.childDataReceived(1, text.encode())

    def end(self, status: int = 0) -> None:
        """
        End.
        """
        self._protocol.childConnectionLost(self.settings["orders"])
        reason = ProcessTerminated(status) if status else ProcessDone(0)
        self._protocol.processEnded(Failure(reason))


class SpawningReactor(MemoryReactorClock):
    """
    Starts processes that a test plays.

    @ivar spawned: them, in order.
    @ivar full: whether the system starts no further process.
    """

    full = False

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[Spawned] = []

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: str,
        args: list[str],
        env: dict[str, str],
        path: str | None,
        childFDs: dict[int, Any],
    ) -> Spawned:
        """
        Start one.

        @raise OSError: there are too many.
        """
        if self.full:
            raise BlockingIOError(EAGAIN, os.strerror(EAGAIN))
        number = 100 + len(self.spawned)
        process = Spawned(number, processProtocol, args, env, path, childFDs)
        self.spawned.append(process)
        processProtocol.makeConnection(process)
        return process


class SupervisorTestCase(SynchronousTestCase):
    """
    A supervisor of two workers that a test plays.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.reactor: Any = SpawningReactor()
        self.identity = Identity.generate()
        self.supervisor = self.supervise()

    def supervise(self, addresses: str = ADDRESS, **options: Any) -> Supervisor:
        """
        Make a supervisor.

        @param addresses: the addresses, with spaces between them.
        """
        return Supervisor(
            self.reactor,
            self.identity,
            Multiaddr.several(addresses.split()),
            2,
            ["worker", "--echo"],
            {"HOME": "/", "NOTIFY_SOCKET": "/notify"},
            drain=30.0,
            **options,
        )

    def start(self) -> list[Spawned]:
        """
        Start the supervisor and its workers.

        @return: the workers.
        """
        self.supervisor.startService()
        self.addCleanup(self.stop)
        workers = list(self.spawned)
        for each in workers:
            each.ready()
        return workers

    def stop(self) -> None:
        """
        Stop everything.
        """
        self.supervisor.stopService()
        for worker in self.supervisor.workers:
            self.process(worker.pid).end()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    @property
    def spawned(self) -> list[Spawned]:
        """
        All processes that were started.
        """
        found: list[Spawned] = self.reactor.spawned
        return found

    def process(self, pid: int | None) -> Spawned:
        """
        Return a process by its id.
        """
        return next(each for each in self.spawned if each.pid == pid)

    def lives(self) -> list[str]:
        """
        Return the states of all workers.
        """
        return [each.life.value for each in self.supervisor.workers]

    def advance(self, seconds: float) -> None:
        """
        Let time pass, in steps smaller than those of the supervisor.
        """
        self.reactor.pump([0.25] * round(seconds * 4))
