# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A rendezvous point: peers register here, and ask for others.
"""

from __future__ import annotations

import os
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.discovery.rendezvous.book import Book, PointLimits
from twisted_libp2p.discovery.rendezvous.cookie import Cookies
from twisted_libp2p.discovery.rendezvous.messages import (
    RENDEZVOUS,
    Kind,
    Layout,
    Message,
    Place,
    Status,
    layoutOf,
    namespaceOf,
    readMessage,
)
from twisted_libp2p.errors import InvalidRecord, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDrainable, IHost, IHostService, IRegistration
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.wire.frames import delimit

__all__ = ["RendezvousPoint"]

#: Seconds that a peer has for its next request on a stream: rust-libp2p sends one,
#: go-libp2p-rendezvous and py-libp2p any number.
IDLE_TIME: Final = 60.0

#: Maximum size of a request, in bytes.
MAX_REQUEST: Final = 16 * 1024

# The beginnings of the agents of peers that read one layout only.
_AGENTS: Final = {
    "rust-libp2p": Layout.RFC,
    "go-libp2p": Layout.OLD,
    "py-libp2p": Layout.OLD,
    "berty": Layout.OLD,
}


@implementer(IDrainable, IHostService)
class RendezvousPoint(Service):
    """
    Serves as a rendezvous point: C{node.add(RendezvousPoint())}.

    Registrations are in memory, and end with the process.  There are three layouts of
    them, and most peers read their own only: they get it, if they can be recognised by
    their own registration, by their agent, or by the record that they have signed for
    identify.
    """

    name = "rendezvouspoint"

    def __init__(self, limits: PointLimits | None = None) -> None:
        """
        Begin without registrations.

        @param limits: the limits on registrations and answers; those of
            L{PointLimits} by default.
        """
        self.limits = limits or PointLimits()
        self._book = Book(self.limits, Cookies(os.urandom(32)))
        self._registration: IRegistration | None = None

    @property
    def registrations(self) -> int:
        """
        The number of registrations, including those that have just expired.
        """
        return len(self._book)

    def attach(self, host: IHost) -> None:
        """
        Take the node, and serve it.
        """
        self._host = host
        self._deadlines = Deadlines(host.clock, IDLE_TIME)
        self._registration = host.registry.register(
            RENDEZVOUS, StreamFactory(lambda: _Serving(self._deadlines, self.answer))
        )

    def drain(self) -> None:
        """
        Serve no further stream.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Serve no further stream.
        """
        super().stopService()
        registration, self._registration = self._registration, None
        if registration is not None:
            registration.cancel()

    def startService(self) -> None:
        """
        Serve again after a stop.
        """
        super().startService()
        if self._registration is None:
            self.attach(self._host)

    # Answers

    def answer(self, peer: PeerID, request: Message) -> Message | None:
        """
        Answer a request.

        @return: None if it has no answer.
        @raise ProtocolViolation: it is not a request.
        """
        now = self._host.clock.seconds()
        if request.type == Kind.REGISTER:
            return self._register(peer, request.register, now)
        if request.type == Kind.UNREGISTER:
            namespace = namespaceOf(request.unregister.ns)
            if namespace is not None:
                self._book.unregister(peer, namespace)
            return None
        if request.type == Kind.DISCOVER:
            return self._discover(peer, request.discover, now)
        raise ProtocolViolation(RENDEZVOUS, f"no request has the type {request.type}")

    def _register(self, peer: PeerID, request: Message.Register, now: float) -> Message:
        status, ttl = Status.INVALID_SIGNED_PEER_RECORD, 0
        namespace = namespaceOf(request.ns)
        if not self._book.allowed(peer, now):
            status = Status.UNAVAILABLE
        elif namespace is None:
            status = Status.INVALID_NAMESPACE
        else:
            try:
                place = Place.fromBytes(request.signedPeerRecord)
            except InvalidRecord:
                pass
            else:
                status, ttl = self._book.register(
                    peer, namespace, place, request.ttl, now
                )
        answer = Message.RegisterResponse(status=status, ttl=ttl)
        if status is not Status.OK:
            answer.statusText = Status.nameOf(status).encode()
        return Message(type=Kind.REGISTER_RESPONSE, registerResponse=answer)

    def _discover(self, peer: PeerID, request: Message.Discover, now: float) -> Message:
        answer = Message.DiscoverResponse()
        namespace = namespaceOf(request.ns) if request.ns else None
        layout = self._layoutOf(peer)
        old = layout is Layout.OLD
        if not self._book.allowed(peer, now):
            answer.status = Status.UNAVAILABLE
        elif request.ns and namespace is None:
            answer.status = Status.INVALID_NAMESPACE
        else:
            status, found, cookie = self._book.discover(
                namespace, request.limit, request.cookie, now, layout
            )
            answer.status = status
            answer.cookie = cookie
            for each in found:
                answer.registrations.append(
                    Message.Register(
                        ns=each.namespace.encode("utf-8"),
                        signedPeerRecord=each.place.toBytes(old),
                        ttl=max(1, int(each.expires - now)),
                    )
                )
        if answer.status != Status.OK:
            answer.statusText = Status.nameOf(answer.status).encode()
        return Message(type=Kind.DISCOVER_RESPONSE, discoverResponse=answer)

    def _layoutOf(self, peer: PeerID) -> Layout | None:
        """
        Return the layout that a peer reads: that of its own registration, or as its
        agent shows, or that of the record that it has signed for identify.

        @return: None if nothing shows it.
        """
        registered = self._book.layoutOf(peer)
        if registered is not None:
            return registered
        store = self._host.peerstore
        info = store.info(peer)
        agent = "" if info is None else info.agent or ""
        for name, layout in _AGENTS.items():
            if agent.startswith(name):
                return layout
        record = store.record(peer)
        return None if record is None else layoutOf(record)


class _Serving(MessageReceiver):
    """
    Answers the requests on a stream, one after the other.
    """

    def __init__(self, deadlines: Deadlines, answer: Any) -> None:
        super().__init__(deadlines, RENDEZVOUS, MAX_REQUEST)
        self._answer = answer

    def feed(self, data: bytes) -> None:
        """
        Answer the complete requests.
        """
        peer = self.transport.connection.remotePeer
        for each in self.messages(data):
            answer = self._answer(peer, readMessage(each))
            if answer is not None:
                self.transport.write(delimit(answer.SerializeToString()))
            self._deadlines.begin(self)

    def ended(self, reason: Failure | None = connectionDone) -> None:
        """
        Do nothing: a peer may end a stream at any time.
        """
