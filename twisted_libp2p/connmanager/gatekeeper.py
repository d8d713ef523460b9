# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The calls of the gater, and the log of its refusals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import Gated
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IConnection, IGater
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger

__all__ = ["Gatekeeper"]

P = ParamSpec("P")


class Gatekeeper:
    """
    Asks the gater of a node at each step, and raises L{Gated} if it refuses.

    A gater that raises an error has refused, and the error is logged.

    @ivar gater: the gater.
    """

    _log = Logger()

    def __init__(self, gater: IGater, refusals: RefusalLog) -> None:
        """
        Take the gater of a node.

        @param refusals: logs the refusals.
        """
        self.gater = gater
        self._refusals = refusals

    def dialing(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        Ask about an address that is about to be dialed.

        @raise Gated: the gater refuses.
        """
        reason = self._ask("beforeDial", self.gater.beforeDial, peer, address)
        self._check(reason, peer, address)

    def accepted(self, address: Multiaddr | None) -> None:
        """
        Ask about an accepted transport.

        @raise Gated: the gater refuses.
        """
        self._check(self._ask("accepted", self.gater.accepted, address), None, address)

    def secured(
        self, peer: PeerID, address: Multiaddr | None, direction: Direction
    ) -> None:
        """
        Ask about a peer that has proven its id.

        @raise Gated: the gater refuses.
        """
        reason = self._ask("secured", self.gater.secured, peer, address, direction)
        self._check(reason, peer, address)

    def upgraded(self, connection: IConnection) -> None:
        """
        Ask about a connection that is ready.

        @raise Gated: the gater refuses.
        """
        reason = self._ask("upgraded", self.gater.upgraded, connection)
        self._check(reason, connection.remotePeer, connection.remoteAddress)

    def _ask(
        self,
        hook: str,
        method: Callable[P, str | None],
        *args: P.args,
        **named: P.kwargs,
    ) -> str | None:
        """
        Call a hook of the gater.

        @param hook: the name of the method, for the log.
        @return: the reason to refuse; None to go on.
        """
        try:
            return method(*args, **named)
        except Exception:
            self._log.failure("{hook} of the gater raised", hook=hook)
            return f"its {hook} raised an error"

    def _check(
        self, reason: str | None, peer: PeerID | None, address: Multiaddr | None
    ) -> None:
        """
        Log a refusal, and raise it.
        """
        if reason is not None:
            self._refusals.gated(reason, peer, address)
            raise Gated(reason)
