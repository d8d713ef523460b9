# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The process that starts workers, and starts them again.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import CannotListenError

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IDrainable
from twisted_libp2p.logger import Logger
from twisted_libp2p.node.conditions import Condition
from twisted_libp2p.transport.binding import openTCP
from twisted_libp2p.transport.inherited import InheritedSocket, bindingOf
from twisted_libp2p.workers.life import Life
from twisted_libp2p.workers.place import Place
from twisted_libp2p.workers.process import WorkerProcess
from twisted_libp2p.workers.settings import VARIABLE, WorkerSettings

__all__ = ["Supervisor", "checkAddresses"]

#: Number of connections that the system may hold ready for the workers to accept.
BACKLOG: Final = 1024

#: Seconds that a worker may take to end, in addition to those for its streams.
END_TIME: Final = 15.0

#: Variables of systemd that are for this process alone.
_OWN: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDNAMES")

#: The descriptors of a worker below those that it gets from us.
_STANDARD: Final = 3


def checkAddresses(addresses: Sequence[Multiaddr]) -> None:
    """
    Check that several processes can listen on addresses.

    @raise ConfigurationError: one of them is not an address of TCP.
    """
    for each in addresses:
        binding = bindingOf(each)
        if binding is None or binding[0] != "tcp":
            raise ConfigurationError(
                f"--processes: several processes cannot listen on {each}: only"
                " on addresses of TCP, such as /ip4/0.0.0.0/tcp/4001, also with /ws"
                " (the datagrams of one QUIC connection have to reach one process)"
            )


class Supervisor(MultiService):
    """
    Binds the sockets of a node, and runs its workers.

    @ivar places: the places of the workers.
    @ivar identity: the identity of all workers.
    @ivar listening: called with the addresses of the first worker that is ready.
    @ivar asked: returns the reply to a question of a worker.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        identity: Identity,
        addresses: Sequence[Multiaddr],
        processes: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        drain: float,
        inherited: Sequence[InheritedSocket] = (),
        folder: str | None = None,
        capture: bool = False,
    ) -> None:
        """
        @param reactor: starts the processes.
        @param identity: the identity of all workers.
        @param addresses: the addresses on which they listen.
        @param processes: the number of workers.
        @param command: the program of a worker and its arguments.
        @param environment: its environment.
        @param drain: seconds that a worker has for its streams when it ends.
        @param inherited: sockets that systemd has opened for some of the addresses.
        @param folder: their working directory; by default that of this process.
        @param capture: whether the output of the workers goes to the log of this
            process, instead of to its output.
        @raise ConfigurationError: the workers cannot listen on an address.
        """
        super().__init__()
        checkAddresses(addresses)
        self.identity = identity
        self._reactor = reactor
        self._addresses = addresses
        self._command = list(command)
        self._environment = {
            name: value for name, value in environment.items() if name not in _OWN
        }
        self._inherited = list(inherited)
        self._folder = folder
        self._capture = capture
        # The sockets with the ports that were asked for.
        self._sockets: list[tuple[socket.socket, int]] = []
        self._rolling: list[Place] = []
        self._rolledAt = 0.0
        self._draining = False
        self._ended: list[Deferred[None]] = []
        self._announced = False
        self.listening: Callable[[list[str]], object] = lambda addresses: None
        self.asked: Callable[[dict[str, Any]], Any] = lambda question: None
        self._drain = drain
        self.places = self._makePlaces(processes)

    def _makePlaces(self, processes: int) -> list[Place]:
        return [
            Place(self._reactor, number, self._spawn, self._drain + END_TIME)
            for number in range(1, processes + 1)
        ]

    @property
    def workers(self) -> list[WorkerProcess]:
        """
        All workers that have not ended.
        """
        return [worker for place in self.places for worker in place.workers]

    def conditions(self) -> list[Condition]:
        """
        Return the conditions under which the program is ready: a worker accepts
        connections, and the workers do not end.
        """
        serving = sum(place.serving for place in self.places)
        others = [
            f"worker {worker.number} is {worker.life.value}"
            for worker in self.workers
            if worker.life is not Life.SERVING
        ]
        detail = ", ".join([f"{serving} of {len(self.places)} accept", *others])
        life = "draining" if self._draining else "running"
        return [
            Condition("workers", serving > 0, detail),
            Condition("life", not self._draining, life),
        ]

    def privilegedStartService(self) -> None:
        """
        Bind the sockets, before C{twistd} changes its user.

        @raise CannotListenError: an address is taken, or does not belong to this host.
        """
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        """
        Bind the sockets, unless that is done, and start the workers.

        @raise CannotListenError: an address is taken, or does not belong to this host.
        """
        self._bind()
        super().startService()
        for place in self.places:
            place.replace()

    def _bind(self) -> None:
        if self._sockets:
            return
        taken = {(each.protocol, each.host, each.requested) for each in self._inherited}
        try:
            for address in self._addresses:
                binding = bindingOf(address)
                if binding is None or binding in taken:
                    continue
                _, host, port = binding
                if port:
                    # Addresses of WebSockets share the port.
                    taken.add(binding)
                self._sockets.append((openTCP(port, BACKLOG, host), port))
        except CannotListenError:
            self._unbind()
            raise

    def _unbind(self) -> None:
        sockets, self._sockets = self._sockets, []
        for each, _ in sockets:
            each.close()

    def drain(self) -> Deferred[None]:
        """
        Let all workers finish their streams and end, and accept nothing any longer.

        @return: fires when all have ended.
        """
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        self._rolling.clear()
        self._draining = True
        for each in self.services:
            if IDrainable.providedBy(each):
                each.drain()
        for place in self.places:
            place.close()
        self._unbind()
        self._lookForEnd()
        return ended

    def stopService(self) -> Deferred[Any]:
        """
        Let all workers finish and end; if they do so already, end them at once.
        """
        stopping = super().stopService()
        if self._draining:
            for each in self.workers:
                each.kill()
        waiting = [self.drain()]
        if stopping is not None:
            waiting.append(stopping)
        return DeferredList(waiting)

    def _lookForEnd(self) -> None:
        if self._draining and not self.workers:
            self._draining = self._announced = False
            self.places = self._makePlaces(len(self.places))
            ended, self._ended = self._ended, []
            for each in ended:
                each.callback(None)

    def roll(self) -> None:
        """
        Replace all workers, one after the other: the next one when the successor of
        the last one is ready.  Workers that were started before are replaced, even if
        they are not ready yet: they may have read an older configuration.
        """
        if not self.running or self._draining:
            return
        self._log.info("replacing all workers, one after the other")
        self._rolledAt = self._reactor.seconds()
        begun = bool(self._rolling)
        self._rolling += [each for each in self.places if each not in self._rolling]
        if not begun:
            self._rolling[0].replace()

    # Workers

    def _spawn(self, place: Place) -> WorkerProcess:
        sockets, mapping = self._passed()
        orders = _STANDARD + len(sockets)
        reports = orders + 1
        worker = WorkerProcess(
            self._reactor,
            place.number,
            orders,
            reports,
            self._changed,
            lambda question: self.asked(question),
        )
        output: Any = "r" if self._capture else None
        settings = WorkerSettings(
            number=place.number,
            key=self.identity.privateKey.toBytes(),
            listen=tuple(str(each) for each in self._addresses),
            sockets=tuple(sockets),
            orders=orders,
            reports=reports,
        )
        self._reactor.spawnProcess(
            worker,
            self._command[0],
            self._command,
            {**self._environment, VARIABLE: str(orders)},
            self._folder,
            childFDs={
                0: 0,
                1: output or 1,
                2: output or 2,
                **mapping,
                orders: "w",
                reports: "r",
            },
        )
        worker.transport.writeToChild(orders, settings.toBytes())
        self._log.info(
            "worker {number} is process {pid}", number=place.number, pid=worker.pid
        )
        return worker

    def _passed(self) -> tuple[list[InheritedSocket], dict[int, int]]:
        """
        Return the sockets as a worker has them, and our descriptor of each.
        """
        ours = list(self._inherited)
        for bound, requested in self._sockets:
            host, port = bound.getsockname()[:2]
            ours.append(InheritedSocket(bound.fileno(), host, port, "tcp", requested))
        passed, mapping = [], {}
        for number, each in enumerate(ours, _STANDARD):
            passed.append(each.numbered(number))
            mapping[number] = each.descriptor
        return passed, mapping

    def _changed(self, worker: WorkerProcess, event: str) -> None:
        """
        Let the place of a worker act on an event, and a replacement of all go on.
        """
        place = self.places[worker.number - 1]
        serving = place.serving
        {"ready": place.ready, "replace": place.lost, "gone": place.gone}[event](worker)
        if event == "ready" and not self._announced:
            self._announced = True
            self.listening(worker.addresses)
        if self._rolling and self._rolling[0] is place:
            self._rollOn(worker, event, serving)
        if event == "gone":
            self._lookForEnd()

    def _rollOn(self, worker: WorkerProcess, event: str, served: bool) -> None:
        """
        Replace the worker of the next place; stop replacing if a successor could not
        start.
        """
        place = self._rolling[0]
        if event == "gone" and served and place.serving and place.successor is None:
            self._log.error(
                "the successor of worker {number} has ended before it was ready: the"
                " other workers are not replaced",
                number=place.number,
            )
            self._rolling.clear()
        elif event == "ready" and worker.since < self._rolledAt:
            place.replace()
        elif event == "ready":
            self._rolling.pop(0)
            if self._rolling:
                self._rolling[0].replace()
            else:
                self._log.info("all workers are replaced")
