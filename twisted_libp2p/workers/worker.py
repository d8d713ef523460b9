# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The part of a worker that answers its supervisor.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from threading import current_thread, main_thread
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from twisted_libp2p.daemon.signals import TerminationService
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger
from twisted_libp2p.node import Node
from twisted_libp2p.onuse import loadedOnUse
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.status.metrics import NodeMetrics
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.workers.channel import Channel
from twisted_libp2p.workers.settings import WorkerSettings

with loadedOnUse():
    from twisted_libp2p.access import pairing
    from twisted_libp2p.control import commands

__all__ = ["REPLY_TIME", "WorkerService", "addWorker"]

#: Seconds for the reply of the supervisor to a question.
REPLY_TIME: Final = 5.0


class WorkerService(Service):
    """
    Reports that a node is ready, answers questions about it, and ends it by order.  It
    ends the process when the supervisor has ended.

    @ivar pairing: pairs the node with peers; None if it has no list of paired peers.
    """

    name = "worker"
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        node: Node,
        settings: WorkerSettings,
        termination: TerminationService,
        metrics: NodeMetrics | None = None,
        observer: Observer | None = None,
    ) -> None:
        """
        @param reactor: reads the orders.
        @param node: the node, which becomes the parent of the service.
        @param termination: ends the program.
        @param metrics: its metrics, if the supervisor serves them.
        @param observer: its observer, if the supervisor serves a status page.
        """
        self._reactor = reactor
        self._node = node
        self._settings = settings
        self._termination = termination
        self._metrics = metrics
        self._observer = observer
        self._channel: Channel | None = None
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "life": lambda _: node.life.value,
            "metrics": self._families,
            "status": self._status,
            "control": self._control,
        }
        self.pairing: pairing.PairingService | None = None
        self._questions = 0
        self._replies: dict[int, Deferred[str | None]] = {}
        self.setServiceParent(node)

    def startService(self) -> None:
        """
        Begin to answer.
        """
        super().startService()
        if self._metrics is not None:
            self._metrics.delay.start()
        if self._channel is None:
            self._ignoreSignals()
            self._channel = Channel(self._received, self._abandoned)
            pipes: type[Any] = StandardIO
            pipes(
                self._channel,
                stdin=self._settings.orders,
                stdout=self._settings.reports,
                reactor=self._reactor,
            )
        # The listeners are opened after the services were started.
        self._reactor.callLater(0, self._begun)

    def stopService(self) -> None:
        """
        Measure nothing any longer; the pipes stay open until the process ends.
        """
        super().stopService()
        if self._metrics is not None:
            self._metrics.delay.stop()

    def _ignoreSignals(self) -> None:
        """
        Ignore the signals that a terminal sends to all processes: the supervisor ends
        the workers in its own order.
        """
        if current_thread() is main_thread():
            for each in (signal.SIGINT, signal.SIGHUP):
                signal.signal(each, signal.SIG_IGN)

    def _begun(self) -> None:
        """
        Report the node as ready as soon as it listens, and knows the stored peers or
        that they cannot be read now.
        """
        if not self.running:
            return
        waiting: list[Deferred[Any]] = [
            self._node.whenListening(),
            self._node.peerstore.whenLoaded(),
        ]
        DeferredList(waiting, consumeErrors=True).addCallback(self._ready)

    def _ready(self, _: object) -> None:
        if self._channel is not None and self.running:
            self._channel.send({"ready": [str(each) for each in self._node.addresses]})

    def _received(self, message: dict[str, Any]) -> None:
        """
        Obey an order, or answer a question.
        """
        if "leave" in message:
            if message["leave"] == "all":
                # No other process will listen on the addresses.
                self._node.ownAddresses.shared = False
            self._termination.leave()
        elif "reply" in message:
            waiting = self._replies.pop(message["reply"], None)
            if waiting is not None:
                waiting.callback(message["is"])
        elif "paired" in message:
            self._readBook()
        elif self._channel is not None:
            answer = self._answers[message["about"]](message)
            self._channel.send({"answer": message["ask"], "is": answer})

    def admit(self, peer: PeerID, secret: bytes, name: str) -> Deferred[str | None]:
        """
        Ask the supervisor whether a peer with a ticket is paired.

        @return: fires with the reason of a refusal, or with None.  A supervisor that
            does not reply within L{REPLY_TIME} refuses.
        """
        self._questions += 1
        number = self._questions

        def forget(_: object) -> None:
            self._replies.pop(number, None)

        reply: Deferred[str | None] = Deferred(forget)
        if self._channel is not None:
            self._replies[number] = reply
            question = {"peer": str(peer), "secret": secret.hex(), "name": name}
            self._channel.send({"question": number, **question})

        def late(reason: Failure) -> str:
            reason.trap(TimeoutError)
            return "this node is busy: try again"

        return addTimeout(reply, REPLY_TIME, self._node.clock).addErrback(late)

    def _readBook(self) -> None:
        """
        Read the paired peers again.
        """
        if self.pairing is not None:
            try:
                self.pairing.book.reload()
            except ConfigurationError as error:
                self._log.error("{error}", error=str(error))

    def _control(self, _: object) -> dict[str, Any]:
        """
        Return the state of the node, as the tools show it.
        """
        if self.pairing is None:
            return {}
        return commands.statusOf(self._node, self.pairing)

    def _abandoned(self) -> None:
        """
        End the program: without the supervisor nobody would start or end it.
        """
        self._channel = None
        if self.running:
            self._log.warn("the supervisor has ended, and so does this worker")
            self._termination.end()

    def _families(self, _: object) -> list[Any]:
        """
        Return all metrics, as L{families<twisted_libp2p.workers.metrics.families>}
        reads them.
        """
        if self._metrics is None:
            return []
        self._metrics.refresh()
        return [
            [
                each.name,
                each.documentation,
                each.type,
                [[sample.name, sample.labels, sample.value] for sample in each.samples],
            ]
            for each in self._metrics.registry.collect()
        ]

    def _status(self, message: dict[str, Any]) -> dict[str, Any]:
        """
        Return the state of the node, and its events from a number on.
        """
        observer = self._observer
        if observer is None:
            return {}
        events = observer.since(message["since"])
        return {
            "state": observer.snapshot(),
            "events": [each.asJSON() for each in events],
            "next": observer.number,
        }


def addWorker(
    reactor: Any,
    node: Node,
    settings: WorkerSettings,
    termination: TerminationService,
    options: Mapping[str, Any],
) -> WorkerService:
    """
    Let a node be a worker.

    @param termination: ends the program.
    @param options: its options: whether the supervisor serves a C{status} page and
        C{metrics}.
    """
    node.ownAddresses.shared = True
    return WorkerService(
        reactor,
        node,
        settings,
        termination,
        None if options["metrics"] is None else NodeMetrics(node),
        None if options["status"] is None else Observer(node),
    )
