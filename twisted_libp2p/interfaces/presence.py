# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of a directory of the processes that peers are connected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_libp2p.identity import PeerID

__all__ = ["IPresence"]


class IPresence(Interface):
    """
    Knows which of the processes that share a database are connected to a peer.
    """

    place: str = Attribute("The name of this process.  No other process has it.")

    def where(peer: PeerID) -> Deferred[list[str]]:
        """
        Find the processes that are connected to a peer.

        @return: fires with their names, in alphabetical order; fails with the error of
            the database.
        """
