# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The status page and the metrics of all workers, which their supervisor serves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.status.guard import Guarded
from twisted_libp2p.status.health import addHealth
from twisted_libp2p.status.page import observedPages
from twisted_libp2p.status.web import WebService
from twisted_libp2p.workers.metrics import FleetMetrics
from twisted_libp2p.workers.observer import FleetObserver
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["serveFleetMetrics", "serveFleetStatus"]


class _Snapshot(Guarded):
    """
    The states of all workers, for programs.
    """

    def __init__(self, observer: FleetObserver, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._observer = observer

    def answer(self, request: Request) -> Any:
        """
        Answer when all workers have answered.
        """
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))

        def answered(_: object) -> None:
            events = [each.asJSON() for each in self._observer.since(0)]
            state = {**self._observer.snapshot(), "events": events}
            if not gone:
                request.write(json.dumps(state).encode())
                request.finish()

        self._observer.refresh().addCallback(answered)
        return NOT_DONE_YET


def _serve(
    reactor: Any,
    supervisor: Supervisor,
    description: str,
    name: str,
    build: Callable[[], tuple[Resource, Callable[[], None]]],
    page: str = "",
) -> WebService:
    service = WebService(reactor, description, build, page)
    service.setName(name)
    service.setServiceParent(supervisor)
    return service


def serveFleetStatus(
    reactor: Any, supervisor: Supervisor, description: str, hosts: Collection[str] = ()
) -> WebService:
    """
    Serve the status page of all workers.

    @param description: a server endpoint such as C{tcp:8080}, on loopback unless it
        names an C{interface}.
    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses.
    @return: the service, whose name is C{status}.
    @raise ConfigurationError: the endpoint is invalid.
    """

    def build() -> tuple[Resource, Callable[[], None]]:
        observer = FleetObserver(reactor, supervisor)
        root, close = observedPages(reactor, observer, supervisor.conditions, hosts)
        root.putChild(b"snapshot", _Snapshot(observer, hosts))
        return root, close

    return _serve(reactor, supervisor, description, "status", build)


def serveFleetMetrics(
    reactor: Any, supervisor: Supervisor, description: str, hosts: Collection[str] = ()
) -> WebService:
    """
    Serve the metrics of all workers at C{/metrics}.

    @param description: as for L{serveFleetStatus}.
    @param hosts: as for L{serveFleetStatus}.
    @return: the service, whose name is C{metrics}.
    @raise ConfigurationError: the endpoint is invalid, or prometheus_client is not
        installed.
    """
    metrics = FleetMetrics(supervisor, hosts)

    def build() -> tuple[Resource, Callable[[], None]]:
        root = Resource()
        root.putChild(b"metrics", metrics)
        addHealth(root, supervisor.conditions, hosts)
        return root, lambda: None

    return _serve(reactor, supervisor, description, "metrics", build, "metrics")
