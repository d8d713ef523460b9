# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The metrics of all workers, on one page: each series has the label C{process}, which is
the number of the worker's place.  A worker that finishes its streams also has its
process id there, such as C{2-4711}, since its successor has the number.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.web.server import NOT_DONE_YET, Request

from twisted_libp2p.status.guard import Guarded
from twisted_libp2p.status.metrics import require
from twisted_libp2p.workers.life import Life
from twisted_libp2p.workers.process import WorkerProcess
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["FleetMetrics", "families"]

#: The label with the number of a worker's place.
LABEL: Final = "process"

#: Metrics that would show a fault of a worker that ends in good order.
_LASTING: Final = "libp2p_condition"


def families(core: Any, answers: dict[str, list[Any]]) -> list[Any]:
    """
    Join the metrics of workers.

    @param core: the module C{prometheus_client.core}.
    @param answers: the answers of the workers by the value of the label.
    """
    found: dict[str, Any] = {}
    for label, answer in answers.items():
        for name, about, kind, samples in answer:
            family = found.get(name)
            if family is None:
                family = found[name] = core.Metric(name, about, kind)
            for sample, labels, value in samples:
                family.add_sample(sample, {**labels, LABEL: label}, value)
    return list(found.values())


class FleetMetrics(Guarded):
    """
    Asks all workers for their metrics, and answers with all of them.
    """

    contentType = ""
    linkable = True

    def __init__(self, supervisor: Supervisor, hosts: Collection[str] = ()) -> None:
        """
        @raise ConfigurationError: prometheus_client is not installed.
        """
        super().__init__(hosts)
        self._supervisor = supervisor
        self._client = require("prometheus_client")
        self._core = require("prometheus_client.core")

    def answer(self, request: Request) -> Any:
        """
        Answer when all workers have answered, or the time for that is over.
        """
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))
        self.gather().addCallback(
            lambda text: gone or (request.write(text), request.finish())
        )
        request.setHeader("Content-Type", self._client.exposition.CONTENT_TYPE_LATEST)
        return NOT_DONE_YET

    def gather(self) -> Deferred[bytes]:
        """
        Return the metrics of all workers as text.
        """
        workers = self._workers()
        asking = [each.ask("metrics") for each in workers.values()]

        def answered(results: list[tuple[bool, Any]]) -> bytes:
            answers = {
                label: [
                    each
                    for each in answer
                    if worker.life is Life.SERVING or each[0] != _LASTING
                ]
                for (label, worker), (success, answer) in zip(
                    workers.items(), results, strict=True
                )
                if success
            }
            return self._text([*self._own(), *families(self._core, answers)])

        return DeferredList(asking, consumeErrors=True).addCallback(answered)

    def _workers(self) -> dict[str, WorkerProcess]:
        """
        Return the workers that are asked, by their labels.
        """
        found = {}
        for place in self._supervisor.places:
            for each in place.workers:
                if each.life is Life.SERVING and each is place.worker:
                    found[str(place.number)] = each
                elif each.life is Life.LEAVING:
                    found[f"{place.number}-{each.pid}"] = each
        return found

    def _own(self) -> list[Any]:
        """
        Return the metrics of the supervisor.
        """
        up = self._core.GaugeMetricFamily(
            "libp2p_process_up", "Whether the worker serves", labels=(LABEL,)
        )
        restarts = self._core.CounterMetricFamily(
            "libp2p_process_restarts",
            "Workers that were started in place of others",
            labels=(LABEL,),
        )
        leaving = self._core.GaugeMetricFamily(
            "libp2p_process_leaving",
            "Workers of this place that finish their streams",
            labels=(LABEL,),
        )
        for place in self._supervisor.places:
            number = sum(each.life is Life.LEAVING for each in place.workers)
            leaving.add_metric((str(place.number),), number)
            up.add_metric((str(place.number),), float(place.serving))
            restarts.add_metric((str(place.number),), place.restarts)
        return [up, restarts, leaving]

    def _text(self, found: list[Any]) -> bytes:
        registry = self._client.CollectorRegistry()
        registry.register(_Found(found))
        text: bytes = self._client.generate_latest(registry)
        return text


class _Found:
    """
    A collector of metrics that are there already.
    """

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def collect(self) -> list[Any]:
        """
        Return them.
        """
        return self._found
