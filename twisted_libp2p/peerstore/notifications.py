# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Notifications of PostgreSQL's: a node knows within milliseconds that another one has
written something.  They are a hint and nothing more: without them it looks every few
seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.peerstore.backends import Backend
from twisted_libp2p.peerstore.database import Database

__all__ = ["Notifications"]


@implementer(IReadDescriptor)
class Wakeup:
    """
    A connection that listens to a channel, as a descriptor of the reactor.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        connection: Any,
        notified: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        """
        Begin to listen.

        @param reactor: what watches the connection.
        @param connection: a connection of psycopg's that has executed LISTEN.
        @param notified: called with the text of each notification.
        @param lost: called when the connection is lost.
        """
        self._reactor = reactor
        self._connection = connection
        # The connection closes its own descriptor as soon as it is lost, before the
        # reactor has stopped to watch it.
        self._number = os.dup(connection.fileno())
        self._notified = notified
        self._lost = lost
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        Return the number of the descriptor.
        """
        return self._number

    def logPrefix(self) -> str:
        """
        Return our name in the log.
        """
        return "peerstore"

    def doRead(self) -> Failure | None:
        """
        Read notifications.
        """
        low = self._connection.pgconn
        try:
            low.consume_input()
            texts = []
            while (note := low.notifies()) is not None:
                texts.append(note.extra.decode("utf-8", "replace"))
        except Exception:
            return Failure(ConnectionDone("the database has closed the connection"))
        for text in texts:
            self._notified(text)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """
        End to listen.
        """
        self.close()
        self._lost()

    def close(self) -> None:
        """
        Close the connection.
        """
        if self._number >= 0:
            self._reactor.removeReader(self)
            os.close(self._number)
            self._number = -1
            self._connection.close()


class Notifications:
    """
    The notifications of a database, while there is a connection for them.
    """

    def __init__(
        self,
        reactor: Any,
        backend: Backend,
        notified: Callable[[str], None],
        failed: Callable[[Failure], None],
    ) -> None:
        """
        Begin without a connection.

        @param reactor: what watches the connection.
        @param backend: the database.
        @param notified: called with the text of each notification.
        @param failed: called when there can be no connection.
        """
        self._reactor = reactor
        self._backend = backend
        self._notified = notified
        self._failed = failed
        self._wakeup: Wakeup | None = None
        self._database: Database | None = None

    @property
    def listening(self) -> bool:
        """
        Whether there is a connection.
        """
        return self._wakeup is not None

    def open(self, database: Database) -> None:
        """
        Open a connection, unless one is open, if the database notifies.
        """
        if self._backend.schema.engine.notify is None or self._database is not None:
            return
        self._database = database
        opening = database.read(self._backend.listen)
        opening.addCallbacks(self._opened, self._refused, callbackArgs=(database,))

    def _opened(self, connection: Any, database: Database) -> None:
        if self._database is not database:
            connection.close()
            return
        self._wakeup = Wakeup(
            self._reactor, connection, self._notified, self._connectionLost
        )

    def _refused(self, failure: Failure) -> None:
        self._database = None
        self._failed(failure)

    def _connectionLost(self) -> None:
        self._wakeup = self._database = None

    def close(self) -> None:
        """
        Close the connection.
        """
        wakeup, self._wakeup = self._wakeup, None
        self._database = None
        if wakeup is not None:
            wakeup.close()
