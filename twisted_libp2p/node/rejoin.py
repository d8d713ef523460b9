# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The first connections of a node that was started before.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError

from twisted_libp2p.connection import Dialer
from twisted_libp2p.connmanager import ConnectionManager
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.logger import Logger

__all__ = ["rejoin"]

#: Number of known peers to which a node connects when it starts, if its peerstore
#: outlives it; but not more than an eighth of its connections.
REJOINED = 16

#: How many of them, counted from the most promising, are sure; the others are drawn
#: from so many times as many known peers, for the nodes of a fleet start together and
#: know the same peers.
SURE = 4
DRAWN_FROM = 4

#: Number of addresses of each of them that are tried.
REJOINED_ADDRESSES = 4

_log = Logger()


async def rejoin(
    peerstore: IPeerStore,
    connections: ConnectionManager,
    dialer: Dialer,
    random: Callable[[], float],
) -> None:
    """
    Connect to a few known peers, as soon as the peerstore has loaded them: to peers
    that we had dialed, or that had stayed connected, rather than to the stranger that
    came last.

    @param random: returns numbers from 0 to 1.
    """
    try:
        await peerstore.whenLoaded()
    except (CancelledError, ConfigurationError) as error:
        _log.debug("no peer is known: {error}", error=str(error))
        return
    cap = connections.limiter.limits.system.connections
    count = min(REJOINED, max(cap // 8, 1))
    known = peerstore.recent(DRAWN_FROM * count)
    drawn = sorted(known[SURE:], key=lambda _: random())
    for peer in [*known[:SURE], *drawn][:count]:
        if connections.to(peer):
            continue
        dialer.dial(peer, few=REJOINED_ADDRESSES).addErrback(
            lambda reason: _log.debug("{reason}", reason=reason.getErrorMessage())
        )
