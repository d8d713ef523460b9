# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The limits of a node, their use, and the refusals, as lines of the status page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from twisted_libp2p.events import LimitReached
from twisted_libp2p.interfaces import Direction, ScopeKind
from twisted_libp2p.limits import UNLIMITED
from twisted_libp2p.limits.usage import ScopeUsage, Snapshot

__all__ = ["RefusalCounts", "limitLines"]

#: Number of limits whose refusals are counted; a node has fewer.
MAX_LIMITS = 64


class RefusalCounts:
    """
    Counts the refusals of a node by the limits.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, event: LimitReached) -> None:
        """
        Count refusals.
        """
        key = _words(event), event.option
        if key in self._counts or len(self._counts) < MAX_LIMITS:
            self._counts[key] += event.count

    def lines(self) -> list[str]:
        """
        Return a line for each limit that was reached, the busiest first.
        """
        return [
            f"refused {count} times by the limit on {scope}: see {option}"
            for (scope, option), count in self._counts.most_common()
        ]


def _words(event: LimitReached) -> str:
    """
    Describe a limit.  It is not named after a peer, a protocol or a network: there may
    be any number of these, and peers choose them.
    """
    if event.kind in (ScopeKind.SYSTEM, ScopeKind.TRANSIENT):
        return event.scope
    inbound = "inbound " if event.direction is Direction.INBOUND else ""
    return f"{inbound}{event.resource} of a {event.kind}"


def limitLines(usage: Snapshot) -> list[str]:
    """
    Return the lines about the use of limits.
    """
    return [
        f"whole node: {', '.join(_parts(usage.system))}",
        f"not negotiated yet: {', '.join(_parts(usage.transient))}",
    ]


def _parts(scope: ScopeUsage) -> Iterable[str]:
    """
    Describe the use of a scope.
    """
    for name, used, limit in (
        ("connections", scope.used.connections, scope.limits.connections),
        ("streams", scope.used.streams, scope.limits.streams),
    ):
        yield f"{used} {name}" if limit == UNLIMITED else f"{used} of {limit} {name}"
    memory, most = scope.used.memory >> 20, scope.limits.memory
    yield (
        f"{memory} MiB of windows"
        if most == UNLIMITED
        else (f"{memory} of {most >> 20} MiB of windows")
    )
