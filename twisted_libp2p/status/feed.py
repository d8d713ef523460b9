# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The live feed of the status page: server-sent events (WHATWG HTML, section
9.2).

Each second there is a message C{state}, and soon after something has happened
one C{happened}.  Nothing is kept for a browser that does not read: it misses
states, which are no loss, and is closed after L{PATIENCE}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

from twisted_libp2p.pacing import Deadline
from twisted_libp2p.status.observer import Observer

__all__ = ["MAX_CLIENTS", "PATIENCE", "Feed"]

#: How many may follow the feed at once.
MAX_CLIENTS = 16

#: Seconds between two states.
INTERVAL = 1.0

#: Seconds in which events are gathered, that many at once make one message.
GATHERING = 0.1

#: Seconds after which a browser that does not read is closed.
PATIENCE = 30.0

#: Milliseconds after which a browser shall come back that has lost us.
_RETRY = 2000


def message(event: str, data: Any) -> bytes:
    """
    Make a message of the feed.  JSON has no line ends of its own.
    """
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n".encode()


@implementer(IPushProducer)
class _Client:
    """
    A browser that follows.

    @ivar request: what is answered for as long as it goes.
    @ivar next: the number of the next event that it is told.
    @ivar stuckSince: since when it does not read; None if it does.
    """

    def __init__(self, feed: Feed, request: Request) -> None:
        self._feed = feed
        self.request = request
        self.next = 0
        self.stuckSince: float | None = None

    def pauseProducing(self) -> None:
        """
        It does not read what was written.
        """
        if self.stuckSince is None:
            self.stuckSince = self._feed.clock.seconds()

    def resumeProducing(self) -> None:
        """
        It has read all.
        """
        self.stuckSince = None

    def stopProducing(self) -> None:
        """
        Its connection is over, which the request tells as well.
        """


class Feed:
    """
    Tells those who follow.

    @ivar clock: runs the intervals.
    """

    def __init__(self, clock: IReactorTime, observer: Observer) -> None:
        self.clock = clock
        self._observer = observer
        self._clients: list[_Client] = []
        self._tickCall: Deadline | None = None
        self._gatherCall: IDelayedCall | None = None
        observer.changed = self._changed

    @property
    def full(self) -> bool:
        """
        Whether nobody else can follow.
        """
        return len(self._clients) >= MAX_CLIENTS

    def join(self, request: Request) -> None:
        """
        Answer a request, until its connection is over.
        """
        client = _Client(self, request)
        request.notifyFinish().addBoth(lambda _: self._leave(client))
        request.registerProducer(client, True)
        self._clients.append(client)
        request.write(f"retry: {_RETRY}\n\n".encode())
        request.write(self._state())
        self._tell(client)
        if self._tickCall is None:
            self._tickCall = Deadline(self.clock, INTERVAL, self._tick)

    def close(self) -> None:
        """
        Tell nobody any more.
        """
        self._observer.changed = lambda: None
        for client in list(self._clients):
            self._drop(client)

    def _leave(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
        if not self._clients:
            for call in (self._tickCall, self._gatherCall):
                if call is not None:
                    call.cancel()
            self._tickCall = self._gatherCall = None

    def _drop(self, client: _Client) -> None:
        transport: Any = client.request.transport
        self._leave(client)
        transport.abortConnection()

    def _changed(self) -> None:
        if self._clients and self._gatherCall is None:
            self._gatherCall = self.clock.callLater(GATHERING, self._gathered)

    def _gathered(self) -> None:
        self._gatherCall = None
        for client in list(self._clients):
            self._tell(client)

    def _tick(self) -> None:
        self._tickCall = Deadline(self.clock, INTERVAL, self._tick)
        latest = self.clock.seconds() - PATIENCE
        state = self._state()
        for client in list(self._clients):
            if client.stuckSince is None:
                client.request.write(state)
                self._tell(client)
            elif client.stuckSince <= latest:
                self._drop(client)

    def _state(self) -> bytes:
        return message("state", self._observer.snapshot())

    def _tell(self, client: _Client) -> None:
        """
        Tell what has happened since it was told last.
        """
        if client.stuckSince is None and client.next < self._observer.number:
            events = [each.asJSON() for each in self._observer.since(client.next)]
            client.next = self._observer.number
            client.request.write(message("happened", events))
