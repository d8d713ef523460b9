# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two answers for programs that watch a node: whether it works, and whether it is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import Request

from twisted_libp2p.node.conditions import Condition
from twisted_libp2p.status.guard import Guarded

__all__ = ["addHealth"]


class _Health(Guarded):
    """
    Answers as long as the program does.
    """

    contentType = "text/plain"

    def answer(self, request: Request) -> bytes:
        """
        Answer.
        """
        return b"ok\n"


class _Readiness(Guarded):
    """
    Says whether the node is ready to serve, with a line for each condition.
    """

    contentType = "text/plain"

    def __init__(
        self, conditions: Callable[[], Sequence[Condition]], hosts: Collection[str]
    ) -> None:
        super().__init__(hosts)
        self._conditions = conditions

    def answer(self, request: Request) -> bytes:
        """
        Answer with status 503 if it is not.
        """
        conditions = self._conditions()
        if not all(each.met for each in conditions):
            request.setResponseCode(SERVICE_UNAVAILABLE)
        lines = (
            f"{'ok' if each.met else 'no'} {each.name}: {each.detail}\n"
            for each in conditions
        )
        return "".join(lines).encode()


def addHealth(
    root: Resource,
    conditions: Callable[[], Sequence[Condition]],
    hosts: Collection[str] = (),
) -> None:
    """
    Serve C{/healthz} and C{/readyz}.

    @param conditions: returns the conditions under which the program is ready.
    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses.
    """
    root.putChild(b"healthz", _Health(hosts))
    root.putChild(b"readyz", _Readiness(conditions, hosts))
