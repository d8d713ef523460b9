# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A service whose protocol is open to listed peers, or to every peer.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service

from twisted_libp2p.identity import PeerID
from twisted_libp2p.logger import Logger

__all__ = ["ListedService"]


class ListedService(Service):
    """
    The list of the peers that may use the protocol of a service.

    @ivar protocol: the protocol id.
    @ivar allow: decides which peers are served; None for all peers.  It may change.
    """

    _log = Logger()

    def __init__(
        self, protocol: str, allow: Callable[[PeerID], bool] | None = None
    ) -> None:
        """
        @param allow: decides which peers are served; None for all peers.
        """
        self.protocol = protocol
        self.allow = allow

    def startService(self) -> None:
        """
        Log that everybody is served, if that is so.
        """
        super().startService()
        self._logIfOpen()

    def replace(self, allow: Callable[[PeerID], bool] | None) -> None:
        """
        Decide anew which peers are served, and log it if it is everybody from now on.

        @param allow: as in the constructor.
        """
        opened = self.allow is not None
        self.allow = allow
        if opened:
            self._logIfOpen()

    def allowed(self, peer: PeerID) -> bool:
        """
        Decide whether a peer is served.
        """
        return self.allow is None or self.allow(peer)

    def _logIfOpen(self) -> None:
        if self.allow is None:
            self._log.info(
                "{protocol} is open to every peer: --allow-for names those that may"
                " use it",
                protocol=self.protocol,
            )
