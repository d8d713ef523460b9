# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The holders of a connection: its peer, and the networks from which it comes.

Identities cost nothing, so a network from which several peers come is a holder as a
peer is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from twisted_libp2p.limits.connectionscope import ConnectionScope
from twisted_libp2p.limits.limits import SHARES, SITE_SHARES

__all__ = ["holders"]


def holders(scope: ConnectionScope) -> Iterator[tuple[Hashable, float]]:
    """
    Yield the holders that a connection belongs to, and the weight of the connection
    and of each of its streams for them: a site may have more than an address.

    @param scope: the scope of the connection.
    """
    yield scope.peer, 1.0
    for subnet in scope.subnets:
        yield subnet, SITE_SHARES / SHARES if subnet.limit.site else 1.0
