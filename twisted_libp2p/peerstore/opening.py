# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Opening: a line of text describes a peerstore.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore.backends import postgresql, sqlite
from twisted_libp2p.peerstore.memory import MemoryPeerStore
from twisted_libp2p.peerstore.records import Limits
from twisted_libp2p.peerstore.service import PeerStoreService

__all__ = ["openPeerStore"]


def openPeerStore(
    reactor: Any,
    description: str,
    limits: Limits | None = None,
    clock: IReactorTime | None = None,
    stored: int | None = None,
) -> MemoryPeerStore:
    """
    Make the peerstore that a text describes.

    @param reactor: the reactor that it uses.
    @param description: C{memory:}, C{sqlite:PATH}, or C{postgresql:DSN}, with a DSN
        of libpq; C{postgresql://...} is also one.
    @param limits: the bounds of memory.
    @param clock: the source of the time; the reactor by default.
    @param stored: the most peers in a database, for all programs that use it; None to
        leave that as it is: at a million, if nobody has said.
    @return: the peerstore; one on a database is a L{PeerStoreService}, which has to
        be started.
    @raise ConfigurationError: the description is wrong; the message says why, in one
        line.
    """
    kind, colon, rest = description.partition(":")
    if kind == "memory" and not rest:
        return MemoryPeerStore(reactor if clock is None else clock, limits)
    if kind == "sqlite" and colon:
        return PeerStoreService(reactor, sqlite(rest), limits, clock, stored)
    if kind == "postgresql" and colon:
        dsn = description if rest.startswith("//") else rest
        return PeerStoreService(reactor, postgresql(dsn), limits, clock, stored)
    raise ConfigurationError(
        # The rest of the description may hold a password.
        f"no peerstore of the kind {kind!r}: it has to be memory:, sqlite:PATH or"
        " postgresql:DSN"
    )
