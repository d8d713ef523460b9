# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transport WebRTC-direct.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.scope import interfaceAddresses
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    IInheritsPorts,
    IMuxedTransport,
    IQuicBackend,
    IUpgrade,
    QuicSettings,
)
from twisted_libp2p.quic.addresses import hostAndPort, udpAddress
from twisted_libp2p.quic.hub import Accept, QuicHub
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.quic.port import QuicPort
from twisted_libp2p.quic.webtransport.addresses import certhashes
from twisted_libp2p.webrtc.addresses import (
    NAME,
    canDial,
    canListen,
    ofSocket,
    rtcAddress,
    socketAddress,
    withHash,
)
from twisted_libp2p.webrtc.association import IDLE_TIMEOUT
from twisted_libp2p.webrtc.endpoint import RtcBackend
from twisted_libp2p.webrtc.native import WINDOW, installed
from twisted_libp2p.webrtc.serving import RtcServing

__all__ = ["RtcTransport"]

_WILDCARDS = ("0.0.0.0", "::")


@implementer(IMuxedTransport)
class RtcTransport:
    """
    Listens on C{/ip4 /ip6} with C{/udp/N/webrtc-direct}, and dials such addresses that
    name a certificate, each from a socket of its own.
    """

    name = NAME
    byteStream = False

    def __init__(
        self,
        reactor: Any,
        identity: Identity,
        *,
        backend: IQuicBackend | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        @param reactor: has the sockets, and runs the timers.
        @param identity: that of the node.
        @param backend: makes the endpoints; None for the native one.
        @param now: returns the seconds of a clock that is never set.
        @param wall: returns the seconds since 1970.
        """
        self._reactor = reactor
        self._backend: IQuicBackend = backend or RtcBackend()
        self._installed = backend is not None or installed()
        self._now = now
        self._judge = CertificateJudge(wall)
        self._serving = RtcServing(reactor, identity, wall)
        self._hubs: list[QuicHub] = []

    @classmethod
    def ofHost(cls, host: IHost) -> RtcTransport:
        """
        Make the transport of a node.
        """
        return cls(host.reactor, host.identity)

    # Addresses

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address names a host, a UDP port, and a certificate.
        """
        return self._installed and canDial(address)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether the address is an IP address with a UDP port.
        """
        return canListen(address)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses of a listener, with the hash of its certificate.
        There is one hash: js-libp2p, go-libp2p and rust-libp2p read no second.
        """
        host = udpAddress(port.getHost())
        if host is None:
            return []
        multihash = self._serving.window.present().hash
        return [
            withHash(ofSocket(each), multihash) for each in interfaceAddresses(host)
        ]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate a UDP address of Twisted.
        """
        return rtcAddress(address)

    # Dialing

    def dial(
        self,
        address: Multiaddr,
        upgrade: IUpgrade,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> None:
        """
        Begin to connect to an address.

        @raise UnsupportedAddress: the address cannot be dialed, or not from
            C{options.local} or from a listener.
        """
        host, port = hostAndPort(socketAddress(address))
        own, number = _WILDCARDS[":" in host], 0
        if options.local is not None:
            own, number = hostAndPort(socketAddress(options.local))
        if options.fromListener or (":" in host) != (":" in own):
            raise UnsupportedAddress(f"cannot dial {address} from there")
        try:
            how = self._serving.dial(certhashes(address))
            self._bind(own, number).dial(host, port, upgrade, web=how)
        except (CannotListenError, ConfigurationError) as error:
            upgrade.fail(Failure(error))
        except ValueError as error:
            raise UnsupportedAddress(f"{address} cannot be dialed: {error}") from None

    # Listening

    def listen(self, address: Multiaddr, accept: Accept) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.
        """
        host, number = hostAndPort(socketAddress(address))
        try:
            return succeed(self._serving.listen(self._bind(host, number), accept))
        except (CannotListenError, ConfigurationError):
            return fail()

    def _bind(self, host: str, number: int) -> QuicHub:
        """
        Bind a socket.

        @raise CannotListenError: the address is taken, or is none of this host.
        @raise ConfigurationError: the native part is missing.
        """
        hub = QuicHub(
            self._reactor,
            self._now,
            self._backend,
            self._settings(),
            self._judge,
            PeerMemory(),
            self._hubs.remove,
            f"/{NAME}",
        )
        reactor = self._reactor
        bound = None
        if IInheritsPorts.providedBy(reactor):
            bound = reactor.datagramSocket(host, number)
        port = QuicPort(number, hub, host, reactor, bound=bound)
        hub.port = port
        port.startListening()
        self._hubs.append(hub)
        return hub

    def _settings(self) -> QuicSettings:
        """
        Return the settings of an endpoint, as far as they mean something here.
        """
        certificate = self._serving.window.present()
        return QuicSettings(
            certificate=certificate.data,
            privateKey=certificate.key,
            judge=self._judge,
            tokenKey=b"",
            resetKey=b"",
            idleTimeout=IDLE_TIMEOUT,
            streamWindow=WINDOW,
        )
