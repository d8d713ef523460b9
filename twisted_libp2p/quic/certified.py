# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Serving browsers on a socket, with certificates that change every two weeks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, IMovingPort, IQuicConnections
from twisted_libp2p.quic.begin import IProvenInside
from twisted_libp2p.quic.hub import Accept, QuicHub
from twisted_libp2p.quic.listener import QuicListener
from twisted_libp2p.quic.webtransport.certificate import (
    CertificateWindow,
    WebCertificate,
)
from twisted_libp2p.security.noise.payload import StaticKey

__all__ = ["INTERVAL", "CertifiedListener", "CertifiedServing"]

#: The longest time between two looks at the date, in seconds: timers stand still while
#: the host is suspended.
INTERVAL = 60.0


class CertifiedServing(ABC):
    """
    Serves browsers on the sockets of a transport.

    @ivar window: the certificates.
    """

    def __init__(
        self, clock: IReactorTime, identity: Identity, wall: Callable[[], float]
    ) -> None:
        """
        @param wall: returns the seconds since 1970.
        """
        self.window = CertificateWindow(identity, wall)
        self._clock = clock
        self._static = StaticKey.sign(identity)
        self._listeners: list[CertifiedListener] = []
        self._call: IDelayedCall | None = None
        self._present: WebCertificate | None = None

    def listen(self, hub: QuicHub, accept: Accept) -> CertifiedListener:
        """
        Begin to accept browsers at a socket.
        """
        self._renew()
        listener = self._listener(hub)
        self._listeners.append(listener)
        self._use(hub)
        hub.acceptWeb = accept
        hub.beginWeb = self._begin
        self._schedule()
        return listener

    @abstractmethod
    def _listener(self, hub: QuicHub) -> CertifiedListener:
        """
        Make the port of a listener.
        """

    @abstractmethod
    def _begin(
        self,
        below: IQuicConnections,
        handle: int,
        handshake: Handshake,
        early: Sequence[tuple[object, ...]],
    ) -> IProvenInside:
        """
        Begin the handshake of Noise inside a connection.
        """

    def _use(self, hub: QuicHub) -> None:
        certificate = self.window.present()
        hub.serveWeb(certificate.data, certificate.key)

    def _schedule(self) -> None:
        """
        Look at the date again, at the time of the next certificate at the latest.
        """
        if self._call is None and self._listeners:
            delay = min(max(self.window.remaining(), 1.0), INTERVAL)
            self._call = self._clock.callLater(delay, self._waited)

    def _waited(self) -> None:
        self._call = None
        self._renew()
        self._schedule()

    def _renew(self) -> None:
        """
        Use the next certificate if its time has come, and let the addresses change.
        """
        before, self._present = self._present, self.window.present()
        if self._present is before:
            return
        for each in list(self._listeners):
            self._use(each.hub)
            each.changed()

    def _stopped(self, listener: CertifiedListener) -> None:
        """
        Forget a listener, and after the last one the time of the next certificate.
        """
        self._listeners.remove(listener)
        if self._call is not None and not self._listeners:
            self._call.cancel()
            self._call = None


@implementer(IMovingPort)
class CertifiedListener(QuicListener):
    """
    A socket at which browsers may connect.
    """

    def __init__(
        self, hub: QuicHub, stopped: Callable[[CertifiedListener], object]
    ) -> None:
        """
        @param stopped: called when nobody listens any longer.
        """
        super().__init__(hub)
        self._stopped = stopped
        self._watcher: Callable[[], object] | None = None

    def watch(self, changed: Callable[[], None]) -> None:
        """
        Call a function after each change of our addresses.
        """
        self._watcher = changed

    def changed(self) -> None:
        """
        Report that our addresses have changed.
        """
        if self._watcher is not None:
            self._watcher()

    def stopListening(self) -> Deferred[None]:
        """
        Let no further browser connect.
        """
        self._watcher = None
        self._stopped(self)
        self.hub.stopAcceptingWeb()
        return succeed(None)
