# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The observer of all workers: their states and events, as those of one node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.status.observer import MAX_CONNECTIONS, MAX_PROTOCOLS, Happening
from twisted_libp2p.status.traffic import addedUp
from twisted_libp2p.workers.life import Life
from twisted_libp2p.workers.supervisor import Supervisor

__all__ = ["FleetObserver", "joined"]

#: Number of events that are kept.
RECENT = 200


def joined(states: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """
    Join the states of workers, each as L{Observer.snapshot
    <twisted_libp2p.status.observer.Observer.snapshot>} returns it: numbers are added,
    and connections and lines have the number of their process.

    @param states: the states by the number of the worker; there is at least one.
    """
    all_ = list(states.values())
    first = all_[0]
    connections = [
        {**each, "process": number}
        for number, state in states.items()
        for each in state["connections"]["shown"]
    ]
    return {
        **first,
        "uptime": max(state["uptime"] for state in all_),
        "peers": _peers(all_, connections),
        "connections": {
            **_sums([state["connections"] for state in all_]),
            "shown": connections[:MAX_CONNECTIONS],
        },
        "streams": _sums([state["streams"] for state in all_]),
        "traffic": addedUp([state["traffic"] for state in all_]),
        "protocols": _protocols(all_),
        "dials": _dials(all_),
        "redials": [each for state in all_ for each in state["redials"]],
        **{name: _lines(states, name) for name in ("tunnels", "pubsub", "limits")},
        "rates": {
            name: [
                sum(each)
                for each in zip(*(state["rates"][name] for state in all_), strict=True)
            ]
            for name in first["rates"]
        },
        "totals": {
            name: sum(state["totals"][name] for state in all_)
            for name in first["totals"]
        },
    }


def _lines(states: dict[int, dict[str, Any]], name: str) -> list[str]:
    """
    Return the lines of all processes, with their numbers.
    """
    return [
        f"[{number}] {line}" for number, state in states.items() for line in state[name]
    ]


def _peers(all_: list[dict[str, Any]], connections: list[dict[str, Any]]) -> int:
    """
    Count the peers: each once if all connections are known, otherwise once for each
    process that it is connected to.
    """
    if len(connections) == sum(state["connections"]["count"] for state in all_):
        return len({each["peer"] for each in connections})
    return sum(state["peers"] for state in all_)


def _protocols(all_: list[dict[str, Any]]) -> dict[str, Any]:
    """
    Add the streams of each protocol.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in (row for state in all_ for row in state["protocols"]["shown"]):
        known = found.setdefault(row["protocol"], {**row, "inbound": 0, "outbound": 0})
        for way in ("inbound", "outbound"):
            known[way] += row[way]
    busiest = sorted(found.values(), key=lambda row: -row["inbound"] - row["outbound"])
    return {"count": len(busiest), "shown": busiest[:MAX_PROTOCOLS]}


def _dials(all_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Add the failed attempts of each cause.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in (row for state in all_ for row in state["dials"]):
        key = row["transport"], row["network"], row["cause"]
        found.setdefault(key, {**row, "count": 0})["count"] += row["count"]
    return sorted(found.values(), key=lambda row: -row["count"])


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """
    Add numbers; a limit that one of them has not is none.
    """
    return {
        name: None
        if any(row[name] is None for row in rows)
        else sum(row[name] for row in rows)
        for name in ("count", "inbound", "limit")
    }


class FleetObserver:
    """
    Asks the workers for their states, while somebody looks.

    @ivar number: the number of the next event.
    @ivar changed: called after each event.
    """

    def __init__(self, clock: IReactorTime, supervisor: Supervisor) -> None:
        self.number = 0
        self.changed: Callable[[], object] = lambda: None
        self._clock = clock
        self._supervisor = supervisor
        self._states: dict[int, dict[str, Any]] = {}
        # The number of the next event of each worker, by its process id.
        self._next: dict[int | None, int] = {}
        self._recent: deque[Happening] = deque(maxlen=RECENT)
        self._asking = False

    def close(self) -> None:
        """
        Forget everything.
        """
        self._states.clear()
        self._recent.clear()

    def since(self, number: int) -> list[Happening]:
        """
        Return the kept events from a number on.
        """
        return [each for each in self._recent if each.number >= number]

    def snapshot(self) -> dict[str, Any]:
        """
        Return the states as they were at the last answers, and ask again.
        """
        self.refresh()
        now = self._clock.seconds()
        processes = [
            {
                "number": place.number,
                "pid": worker.pid,
                "state": worker.life.value,
                "age": now - worker.since,
                "connections": self._count(place.number, "connections")
                if worker is place.worker
                else None,
                "streams": self._count(place.number, "streams")
                if worker is place.worker
                else None,
            }
            for place in self._supervisor.places
            for worker in place.workers
        ]
        state = joined(self._states) if self._states else {**_EMPTY, "time": now}
        peer = str(self._supervisor.identity.peerID)
        return {**state, "peer": peer, "processes": processes}

    def _count(self, number: int, what: str) -> int | None:
        state = self._states.get(number)
        return None if state is None else state[what]["count"]

    def refresh(self) -> Deferred[Any]:
        """
        Ask the workers that serve, unless their answers are still to come.

        @return: fires when they have answered.
        """
        if self._asking:
            return succeed(None)
        self._asking = True
        serving = [
            place.worker
            for place in self._supervisor.places
            if place.worker is not None and place.worker.life is Life.SERVING
        ]
        asking = [
            worker.ask("status", since=self._next.get(worker.pid, 0))
            for worker in serving
        ]

        def answered(results: list[tuple[bool, Any]]) -> None:
            self._asking = False
            found = {
                worker.number: (worker.pid, answer)
                for worker, (success, answer) in zip(serving, results, strict=True)
                if success and answer
            }
            self._states = {
                each: answer["state"] for each, (_, answer) in found.items()
            }
            # A worker that has not answered in time may do so again.
            living = [each.pid for each in self._supervisor.workers]
            known = {pid: self._next[pid] for pid in living if pid in self._next}
            heard = {pid: answer["next"] for pid, answer in found.values()}
            self._next = {**known, **heard}
            self._keep({each: answer["events"] for each, (_, answer) in found.items()})

        gathered: Deferred[Any] = DeferredList(asking, consumeErrors=True)
        gathered.addCallback(answered)
        return gathered

    def _keep(self, events: dict[int, list[dict[str, Any]]]) -> None:
        """
        Keep the new events, in the order of their times.
        """
        found = [
            replace(Happening(**each), detail=f"[{number}] {each['detail']}")
            for number, several in events.items()
            for each in several
        ]
        for each in sorted(found, key=lambda each: each.time):
            self._recent.append(replace(each, number=self.number))
            self.number += 1
        if found:
            self.changed()


_NOTHING: dict[str, Any] = {"count": 0, "inbound": 0, "limit": None, "shown": []}
_EMPTY: dict[str, Any] = {
    "agent": "",
    "addresses": [],
    "reachability": [],
    "backends": {},
    "uptime": 0.0,
    "peers": 0,
    "connections": _NOTHING,
    "streams": _NOTHING,
    "traffic": {
        "received": 0,
        "sent": 0,
        "receiving": None,
        "sending": None,
        "peers": [],
    },
    "protocols": _NOTHING,
    "served": [],
    "redials": [],
    "blocked": {"count": 0, "shown": []},
    "dials": [],
    "tunnels": [],
    "pubsub": [],
    "limits": [],
    "rates": {name: [0] * 60 for name in ("opened", "closed", "streams")},
    "totals": {"opened": 0, "closed": 0, "streams": 0},
}
