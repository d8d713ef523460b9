# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The live feed of the status page: server-sent events (WHATWG HTML, section
9.2).

Each second it sends a message C{state}, and soon after each event one C{happened}.
Nothing is kept for a browser that does not read: it misses states, which does no harm,
and is closed after L{PATIENCE}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.server import Request
from zope.interface import implementer

from twisted_libp2p.pacing import Deadline
from twisted_libp2p.status.observer import Happening

__all__ = ["MAX_CLIENTS", "PATIENCE", "Feed", "Observed"]

#: Number of browsers that may follow the feed at once.
MAX_CLIENTS = 16

#: Seconds between two states.
INTERVAL = 1.0

#: Seconds in which events are gathered, so that many events make one message.
GATHERING = 0.1

#: Seconds after which a browser that does not read is closed.
PATIENCE = 30.0

#: Milliseconds after which a browser reconnects.
_RETRY = 2000


class Observed(Protocol):
    """
    The source of a feed: the observer of a node, or of several processes.

    @ivar number: the number of the next event.
    @ivar changed: called after each event.
    """

    number: int
    changed: Callable[[], object]

    def snapshot(self) -> dict[str, Any]:
        """
        Return everything but the events, in types that C{json} can write.
        """

    def since(self, number: int) -> Sequence[Happening]:
        """
        Return the kept events from a number on.
        """

    def close(self) -> None:
        """
        Stop watching.
        """


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

    @ivar request: the request, whose answer does not end.
    @ivar next: the number of the next event to send.
    @ivar stuckSince: the time since which it does not read; None if it reads.
    """

    def __init__(self, feed: Feed, request: Request) -> None:
        self._feed = feed
        self.request = request
        self.next = 0
        self.stuckSince: float | None = None

    def pauseProducing(self) -> None:
        """
        Note that it does not read.
        """
        if self.stuckSince is None:
            self.stuckSince = self._feed.clock.seconds()

    def resumeProducing(self) -> None:
        """
        Note that it has read everything.
        """
        self.stuckSince = None

    def stopProducing(self) -> None:
        """
        Do nothing: the request reports the end of the connection as well.
        """


class Feed:
    """
    Sends the state and the events of a node to browsers.

    @ivar clock: the time, and the timers.
    """

    def __init__(self, clock: IReactorTime, observer: Observed) -> None:
        self.clock = clock
        self._observer = observer
        self._clients: list[_Client] = []
        self._tickCall: Deadline | None = None
        self._gatherCall: IDelayedCall | None = None
        observer.changed = self._changed

    @property
    def full(self) -> bool:
        """
        Whether no other browser can follow.
        """
        return len(self._clients) >= MAX_CLIENTS

    def join(self, request: Request) -> None:
        """
        Answer a request, until its connection has ended.
        """
        client = _Client(self, request)
        request.notifyFinish().addBoth(lambda _: self._leave(client))
        request.registerProducer(client, True)
        self._clients.append(client)
        request.write(f"retry: {_RETRY}\n\n".encode())
        request.write(self._state())
        self._send(client)
        if self._tickCall is None:
            self._tickCall = Deadline(self.clock, INTERVAL, self._tick)

    def close(self) -> None:
        """
        End the feed, and the connections of its browsers.
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
            self._send(client)

    def _tick(self) -> None:
        self._tickCall = Deadline(self.clock, INTERVAL, self._tick)
        latest = self.clock.seconds() - PATIENCE
        state = self._state()
        for client in list(self._clients):
            if client.stuckSince is None:
                client.request.write(state)
                self._send(client)
            elif client.stuckSince <= latest:
                self._drop(client)

    def _state(self) -> bytes:
        return message("state", self._observer.snapshot())

    def _send(self, client: _Client) -> None:
        """
        Send the events since the last message.
        """
        if client.stuckSince is None and client.next < self._observer.number:
            events = [each.asJSON() for each in self._observer.since(client.next)]
            client.next = self._observer.number
            client.request.write(message("happened", events))
