# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that writes which peers this process is connected to.
"""

from __future__ import annotations

import os
import socket
from secrets import token_hex
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import PeerConnected, PeerDisconnected
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IDatabase,
    IHost,
    IHostService,
    IPresence,
    ISubscription,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.presence.rows import Rows
from twisted_libp2p.relay.messages import HOP

__all__ = ["INTERVAL", "LEASE", "MAX_ADDRESSES", "Presence"]

#: Seconds from a change until it is written, at the most.
INTERVAL: Final = 1.0

#: Seconds until the peers of a process that has crashed are forgotten.
LEASE: Final = 15.0

#: Number of addresses that a relay states to the other processes.
MAX_ADDRESSES: Final = 8


@implementer(IHostService, IPresence)
class Presence(Service):
    """
    Writes the connected peers of this process to the database of its peerstore, under a
    lease that it prolongs, and finds the processes that are connected to a peer.

    @ivar place: the name of this process: the host, the process id and a random part.
    """

    name = "presence"
    _log = Logger()

    def __init__(self, lease: float = LEASE) -> None:
        """
        @param lease: seconds until the peers of a process that has crashed are
            forgotten, by the clock of the database.
        """
        self.place = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        self._lease = lease
        self._changes: dict[str, bool] = {}
        self._subscriptions: list[ISubscription] = []
        self._call: IDelayedCall | None = None
        self._writing: Deferred[Any] | None = None
        self._failed = False

    def attach(self, host: IHost) -> None:
        """
        Take the node.

        @raise ConfigurationError: its peerstore is not kept in a database.
        """
        database = IDatabase(host.peerstore, None)
        if database is None:
            raise ConfigurationError(
                "presence needs a peerstore in a database that the processes share,"
                " such as postgresql:DSN"
            )
        self._host = host
        self._database = database
        self._rows = Rows(database, self.place)

    def startService(self) -> None:
        """
        Begin to write.
        """
        super().startService()
        subscribe = self._host.events.subscribe
        self._subscriptions = [
            subscribe(PeerConnected, lambda event: self._note(event.peer, True)),
            subscribe(PeerDisconnected, lambda event: self._note(event.peer, False)),
        ]
        self._noteAll()
        waiting = self._database.whenLoaded()
        waiting.addCallback(lambda _: self._database.transact(self._rows.prepare))
        self._writing = waiting.addBoth(self._written)

    def _note(self, peer: PeerID, here: bool) -> None:
        self._changes[str(peer)] = here

    def _noteAll(self) -> None:
        for connection in self._host.connections:
            self._note(connection.remotePeer, True)

    def _written(self, result: object) -> None:
        """
        Note the result of a transaction, and plan the next one.
        """
        self._writing = None
        if isinstance(result, Failure):
            if not self._failed:
                self._log.warn(
                    "the presence of peers is not written: {error}",
                    error=result.getErrorMessage(),
                )
            self._failed = True
        elif self._failed:
            self._failed = False
            self._log.info("the presence of peers is written again")
        if self.running:
            self._call = self._host.clock.callLater(INTERVAL, self._write)

    def _write(self) -> None:
        """
        Write the changes, and prolong the lease.  After a failure, write all peers
        instead: in an outage any number of them may have come and gone.
        """
        self._call = None
        if self._failed:
            self._changes.clear()
            self._noteAll()
        changes, self._changes = self._changes, {}

        def written(renewed: bool) -> None:
            if not renewed:
                # The first write, or the lease has expired: the database was away.
                self._noteAll()

        def failed(reason: Failure) -> Failure | Deferred[Any]:
            # The tables may be missing.
            return self._database.transact(self._rows.prepare).addCallback(
                lambda _: reason
            )

        writing = self._database.transact(
            self._rows.write, changes, self._lease, self._failed, self._relay()
        )
        writing.addCallbacks(written, failed)
        self._writing = writing.addBoth(self._written)

    def _relay(self) -> str:
        """
        Return our addresses if this node is a relay.
        """
        if self._host.registry.lookup(HOP) is None:
            return ""
        direct = [each for each in self._host.addresses if not each.relayed]
        return " ".join(map(str, direct[:MAX_ADDRESSES]))

    def where(self, peer: PeerID) -> Deferred[list[str]]:
        """
        Find the processes that are connected to a peer.
        """
        return self._database.transact(self._rows.find, str(peer))

    def relays(self, peer: PeerID) -> Deferred[list[Multiaddr]]:
        """
        Find the other processes that are connected to a peer and are relays.

        @return: fires with their addresses; fails with the error of the database.
        """
        finding = self._database.transact(self._rows.relays, str(peer))
        return finding.addCallback(Multiaddr.several)

    def stopService(self) -> Deferred[None]:
        """
        Remove this process from the database.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._changes.clear()
        before = self._writing if self._writing is not None else succeed(None)
        leaving: Deferred[Any] = Deferred()
        before.addCallback(lambda _: leaving.callback(None))
        leaving.addCallback(lambda _: self._database.transact(self._rows.leave))
        # Otherwise the lease expires.
        return leaving.addErrback(lambda _: None)
