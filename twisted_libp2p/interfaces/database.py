# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of a database that services of a node may share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

__all__ = ["IDatabase"]


class IDatabase(Interface):
    """
    A database of SQLite's or PostgreSQL's; a peerstore that is kept in one provides
    this contract.
    """

    placeholder: str = Attribute("The placeholder of a value in a statement.")
    time: str = Attribute(
        "The expression, for a statement, of the seconds since 1970 by the database."
    )

    def whenLoaded() -> Deferred[None]:
        """
        Return a Deferred that fires when the tables exist.
        """

    def transact(work: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """
        Run a transaction on the thread of the database.

        @param work: called with a DB-API connection and the arguments; the transaction
            is committed when it returns, and rolled back when it raises.
        @return: fires with its result.
        """
