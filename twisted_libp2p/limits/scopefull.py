# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The error of a full scope.
"""

from __future__ import annotations

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind

__all__ = ["ScopeFull"]


class ScopeFull(LimitExceeded):
    """
    A scope has no place for one more connection or stream.

    @ivar kind: the kind of the scope.
    @ivar resource: the resource that is used up.
    @ivar direction: inbound if only that share of the resource is used up, or if
        nothing else is counted there; None if all of it is.
    """

    def __init__(
        self,
        scope: str,
        limit: int,
        current: int,
        option: str,
        *,
        kind: ScopeKind,
        resource: Resource,
        direction: Direction | None,
    ) -> None:
        super().__init__(scope, limit, current, option)
        self.kind = kind
        self.resource = resource
        self.direction = direction
