# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The garbage collector of a daemon: it does not stop the reactor to look at all known
peers again and again.

A full collection of CPython looks at every object, and a million peers are millions of
objects: it takes seconds, several times while they are read, and again later.  Nearly
all of them live as long as the program.
"""

from __future__ import annotations

import gc
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.interfaces import IHost, IHostService

__all__ = ["CollectionService"]

#: The number of collections of the middle generation before a full one, while peers
#: are read: in practice there is none.
RARELY: Final = 1_000_000

#: Seconds until the next attempt to wait for a peerstore that has failed to load.
AGAIN: Final = 5.0


@implementer(IHostService)
class CollectionService(Service):
    """
    Makes no full collection while the peerstore loads, and leaves all objects out of
    later ones that exist when it has loaded.  If it cannot load at first, garbage is
    collected as usual meanwhile.  The program must be that of the node, as
    this concerns all its objects.
    """

    name = "collection"

    def __init__(self, collector: Any = gc) -> None:
        """
        @param collector: the module C{gc}.
        """
        self._collector = collector
        self._usual: tuple[int, int, int] | None = None
        self._loading: Deferred[None] | None = None
        self._call: IDelayedCall | None = None

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host

    def startService(self) -> None:
        """
        Postpone full collections until the peerstore has loaded.
        """
        super().startService()
        self._postpone()
        # The peerstore starts with the node, perhaps after this service.
        self._wait(0.0)

    def _postpone(self) -> None:
        if self._usual is None:
            usual: tuple[int, int, int] = self._collector.get_threshold()
            self._usual = usual
            self._collector.set_threshold(*usual[:2], RARELY)

    def _wait(self, seconds: float) -> None:
        self._call = self._host.clock.callLater(seconds, self._await)

    def _await(self) -> None:
        self._call = None
        self._postpone()
        self._loading = self._host.peerstore.whenLoaded()
        self._loading.addCallbacks(self._loaded, self._failed)

    def _loaded(self, _: None) -> None:
        self._collector.freeze()
        self._restore()

    def _failed(self, reason: Failure) -> None:
        if self.running and not reason.check(CancelledError):
            # The database may be away for days, in which connections leave garbage.
            self._restore()
            self._wait(AGAIN)

    def _restore(self) -> None:
        usual, self._usual = self._usual, None
        if usual is not None:
            self._collector.set_threshold(*usual)

    def stopService(self) -> None:
        """
        Collect garbage as usual.
        """
        super().stopService()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        loading, self._loading = self._loading, None
        if loading is not None:
            loading.cancel()
        self._restore()
        self._collector.unfreeze()
