# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transport QUIC: connections over UDP that are secure and multiplexed by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from os import urandom
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.scope import interfaceAddresses
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IBackedTransport,
    IHost,
    IInheritsPorts,
    IMetadataBook,
    IMuxedTransport,
    IPacketPunching,
    IQuicBackend,
    ITransportProvider,
    IUpgrade,
    QuicSettings,
    SentDatagram,
)
from twisted_libp2p.quic.addresses import TAIL, fits, hostAndPort, udpAddress
from twisted_libp2p.quic.backends import AUTO, BACKENDS, backendNamed, installed
from twisted_libp2p.quic.hub import PUNCH_SIZE, Accept, QuicHub
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.listener import QuicListener
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.quic.port import QuicPort
from twisted_libp2p.quic.selftest import settingsOf
from twisted_libp2p.quic.webtransport.addresses import (
    NAME,
    certhashes,
    isWeb,
    namesCertificate,
    withoutWeb,
    withWeb,
)

__all__ = ["QuicProvider", "QuicTransport", "derivedKey"]

if TYPE_CHECKING:
    from twisted_libp2p.quic.webtransport.dialing import WebDialing
    from twisted_libp2p.quic.webtransport.serving import WebServing

#: Imported at their first use, as they need a package.
_SERVING = "twisted_libp2p.quic.webtransport.serving.WebServing"
_DIALING = "twisted_libp2p.quic.webtransport.dialing.WebDialing"

#: The backend that dials WebTransport; native has one application protocol for all.
_WEB_BACKEND = "aioquic"

_WILDCARDS = ("0.0.0.0", "::")


def _leads(hub: QuicHub, host: str, local: tuple[str, int] | None) -> bool:
    """
    Check whether a socket leads to a host.

    @param host: the IP address of the peer.
    @param local: the address to dial from; None for any.
    """
    bound = hub.port.getHost()
    six = ":" in host
    if (":" in bound.host) != six:
        return False
    if local is not None:
        return bool(bound.host == local[0] and local[1] in (0, bound.port))
    inside = ip_address(host.partition("%")[0]).is_loopback
    return bool(
        bound.host == _WILDCARDS[six]
        or ip_address(bound.host.partition("%")[0]).is_loopback is inside
    )


def _webPart(name: str) -> Any:
    """
    Import a class for WebTransport.

    @raise ConfigurationError: a package for that is missing.
    """
    try:
        return namedAny(name)
    except ImportError as error:
        raise ConfigurationError(
            f"WebTransport needs pylsqpack: {BACKENDS[_WEB_BACKEND][2]}"
        ) from error


def derivedKey(identity: Identity, purpose: bytes) -> bytes:
    """
    Derive a secret from our private key, as go-libp2p does: it stays the same after a
    restart, and needs no file of its own.

    @return: 32 bytes.
    """
    return HKDF(SHA256(), 32, None, purpose).derive(identity.privateKey.toBytes())


@implementer(ITransportProvider)
@dataclass(frozen=True)
class QuicProvider:
    """
    Provides the transport with a backend of the user's choice.

    @ivar backend: its name.
    @ivar name: the name of the transport.
    @ivar description: one line for users.
    @ivar settings: replace settings of the backend, fields of L{QuicSettings}; None for
        the usual ones.
    """

    backend: str
    name: str = "quic"
    description: str = "QUIC by a chosen backend"
    settings: dict[str, Any] | None = field(default=None, hash=False)

    def provide(self, host: IHost) -> QuicTransport:
        """
        Make the transport of a node.

        @raise ConfigurationError: the backend is unknown, not installed, or broken.
        """
        return QuicTransport(
            host.reactor,
            host.identity,
            backend=self.backend,
            settings=self.settings,
            book=host.peerstore,
        )


@implementer(IMuxedTransport, IPacketPunching, IBackedTransport)
class QuicTransport:
    """
    Dials C{/ip4 /ip6 /dns /dns4 /dns6} with C{/udp/N/quic-v1}, and listens on the first
    two.  It dials from the sockets that listen, if one of them leads to the peer.
    Addresses of WebTransport are dialed from sockets of their own.
    """

    name = "quic"
    byteStream = False

    def __init__(
        self,
        reactor: Any,
        identity: Identity,
        *,
        backend: IQuicBackend | str = AUTO,
        offload: bool = True,
        settings: dict[str, Any] | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        book: IMetadataBook | None = None,
    ) -> None:
        """
        @param reactor: has the sockets, and runs the timers.
        @param identity: that of the node.
        @param backend: the backend, or its name.
        @param offload: whether datagrams are sent and received together where the
            kernel can do it (GSO, GRO).
        @param settings: replace settings of the backend.
        @param now: returns the seconds of a clock that is never set.
        @param wall: returns the seconds since 1970.
        @param book: keeps what a dial may use of earlier ones; None keeps it in memory.
        @raise ConfigurationError: the named backend is unknown, not installed, or
            broken.  That of L{AUTO} is looked up at the first use.
        """
        self._backend: IQuicBackend | None = None
        self._installed = True
        if not isinstance(backend, str):
            self._backend = backend
        elif backend != AUTO:
            self._backend = backendNamed(backend)
        else:
            self._installed = installed()
        self._reactor = reactor
        self._identity = identity
        self._offload = offload
        self._changes = settings or {}
        self._now = now
        self._wall = wall
        self._judge = CertificateJudge(wall)
        self._settings: QuicSettings | None = None
        self._hubs: list[QuicHub] = []
        self._webHubs: list[QuicHub] = []
        self._serving: WebServing | None = None
        self._dialing: WebDialing | None = None
        self.memory = PeerMemory(book)

    @classmethod
    def ofHost(cls, host: IHost) -> QuicTransport:
        """
        Make the transport of a node.
        """
        return cls(host.reactor, host.identity, book=host.peerstore)

    @property
    def backend(self) -> IQuicBackend:
        """
        The backend.

        @raise ConfigurationError: none is installed, or it fails its self-test.
        """
        if self._backend is None:
            self._backend = backendNamed()
        return self._backend

    @property
    def backendName(self) -> str | None:
        """
        The name and version of the backend; None as long as it was not used.
        """
        found = self._backend
        return None if found is None else f"{found.name} {found.version}"

    # Addresses

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address is a host with a UDP port and QUIC, and perhaps with
        WebTransport and hashes of certificates, and a backend is installed.
        """
        if namesCertificate(address):
            return installed(_WEB_BACKEND) and fits(withoutWeb(address))
        return self._installed and fits(address)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether the address is an IP address with a UDP port and QUIC, and perhaps
        with WebTransport.
        """
        names = address.names
        if names[-1:] == (NAME,):
            names = names[:-1]
        return names in (("ip4", *TAIL), ("ip6", *TAIL))

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses of a listener: the port number that the system chose,
        and every interface that a wildcard stands for; with WebTransport, the hashes of
        the certificates, too.
        """
        bound = port.getHost()
        host = udpAddress(bound)
        if host is None:
            return []
        found = interfaceAddresses(host)
        if not isWeb(bound):
            return found
        hashes = self._web.window.hashes()
        return [withWeb(each, hashes) for each in found]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate a UDP address of Twisted.
        """
        found = udpAddress(address)
        return withWeb(found) if found is not None and isWeb(address) else found

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
        web = namesCertificate(address)
        host, port = hostAndPort(withoutWeb(address) if web else address)
        local = None if options.local is None else hostAndPort(options.local)
        if local is not None and (":" in host) != (":" in local[0]):
            raise UnsupportedAddress(f"cannot dial {address} from {options.local}")
        try:
            if web:
                # No router has to take it for the socket that listens.
                how = self._webDialing.dial(certhashes(address))
                hub = self._hubFor(host, local, self._webHubs)
                hub.dial(host, port, upgrade, options.roundTrip, how)
                return
            hub = (
                self._listeningHub(address)
                if options.fromListener
                else self._hubFor(host, local, self._hubs)
            )
            hub.dial(host, port, upgrade, options.roundTrip)
        except (CannotListenError, ConfigurationError) as error:
            upgrade.fail(Failure(error))
        except ValueError as error:
            raise UnsupportedAddress(f"{address} cannot be dialed: {error}") from None

    def _hubFor(
        self, host: str, local: tuple[str, int] | None, hubs: list[QuicHub]
    ) -> QuicHub:
        """
        Find the socket to dial from, or bind one.

        @param host: the IP address of the peer.
        @param local: the address to dial from; None for any.
        @param hubs: the sockets of plain QUIC, or of WebTransport.
        """
        for listening in (True, False):
            for each in hubs:
                if each.listening is listening and _leads(each, host, local):
                    return each
        own, port = local or (_WILDCARDS[":" in host], 0)
        return self._bind(own, port, hubs)

    def _listeningHub(self, address: Multiaddr) -> QuicHub:
        """
        Find the socket to punch a hole from.

        @raise UnsupportedAddress: no socket that listens leads to the address.
        """
        host, _ = hostAndPort(address)
        for each in self._hubs:
            if each.listening and _leads(each, host, None):
                return each
        raise UnsupportedAddress(f"no port to dial {address} from is open")

    def sendPunch(self, address: Multiaddr) -> None:
        """
        Send a packet without meaning, from a socket that listens.

        @raise UnsupportedAddress: no socket that listens leads to the address.
        """
        host, port = hostAndPort(address)
        packet = SentDatagram(urandom(PUNCH_SIZE), host, port)
        self._listeningHub(address).send(packet)

    def awaitPunches(
        self, address: Multiaddr, sighted: Callable[[Multiaddr], object]
    ) -> Callable[[], None]:
        """
        Report the addresses from which packets without meaning come.

        @raise UnsupportedAddress: no socket that listens leads to the address.
        """
        host, _ = hostAndPort(address)
        hub = self._listeningHub(address)

        def heard(port: int) -> None:
            source = self.toMultiaddr(hub.peerAddress(host, port))
            if source is not None:
                sighted(source)

        watcher = (host, heard)
        hub.punches.append(watcher)
        return lambda: hub.punches.remove(watcher)

    # Listening

    def listen(self, address: Multiaddr, accept: Accept) -> Deferred[IListeningPort]:
        """
        Listen at once, or fail at once.
        """
        web = address.names[-1:] == (NAME,)
        host, number = hostAndPort(withoutWeb(address) if web else address)
        try:
            serving = self._web if web else None
            hub = self._sharedHub(host, number, web)
            hub = hub or self._bind(host, number, self._hubs)
            if serving is not None:
                return succeed(serving.listen(hub, accept))
        except (CannotListenError, ConfigurationError):
            return fail()
        hub.accept = accept
        return succeed(QuicListener(hub))

    def _sharedHub(self, host: str, number: int, web: bool) -> QuicHub | None:
        """
        Find the socket of the other kind of listener: WebTransport shares that of QUIC.
        """
        for hub in self._hubs:
            bound = hub.port.getHost()
            mine, other = hub.accept, hub.acceptWeb
            if web:
                mine, other = other, mine
            if (bound.host, bound.port) == (host, number) and other and not mine:
                return hub
        return None

    @property
    def _web(self) -> WebServing:
        """
        What serves browsers.

        @raise ConfigurationError: a package for that is missing.
        """
        if self._serving is None:
            make = _webPart(_SERVING)
            self._serving = make(self._reactor, self._identity, self._wall)
            if installed(_WEB_BACKEND):
                # Such a node may dial others like it: better to load this now than to
                # stop the reactor for it later.
                backendNamed(_WEB_BACKEND)
        return self._serving

    @property
    def _webDialing(self) -> WebDialing:
        """
        What dials WebTransport.

        @raise ConfigurationError: a package for that is missing.
        """
        if self._dialing is None:
            make = _webPart(_DIALING)
            self._dialing = make(self._identity, self._ownSettings(), self._wall)
        return self._dialing

    def _bind(self, host: str, number: int, hubs: list[QuicHub]) -> QuicHub:
        """
        Bind a socket.

        @param hubs: the sockets of plain QUIC, or of WebTransport.
        @raise CannotListenError: the address is taken, or is none of this host.
        """
        if hubs is self._hubs:
            backend, settings, judge = self.backend, self._ownSettings(), self._judge
        else:
            backend, dialing = backendNamed(_WEB_BACKEND), self._webDialing
            settings, judge = dialing.settings, dialing.judge
        hub = QuicHub(
            self._reactor,
            self._now,
            backend,
            settings,
            judge,
            self.memory,
            hubs.remove,
        )
        reactor = self._reactor
        bound = None
        if IInheritsPorts.providedBy(reactor):
            bound = reactor.datagramSocket(host, number)
        port = QuicPort(number, hub, host, reactor, self._offload, bound)
        hub.port = port
        port.startListening()
        hubs.append(hub)
        return hub

    def _ownSettings(self) -> QuicSettings:
        """
        Return the settings of our endpoints, which share one certificate.
        """
        if self._settings is None:
            identity = self._identity
            keys = (
                derivedKey(identity, b"libp2p quic token key"),
                derivedKey(identity, b"libp2p quic stateless reset key"),
            )
            made = settingsOf(identity, self._judge, keys, self._wall())
            unknown = self._changes.keys() - QuicSettings.__dataclass_fields__.keys()
            if unknown:
                raise ConfigurationError(f"no setting {sorted(unknown)[0]!r} of QUIC")
            self._settings = replace(made, **self._changes)
        return self._settings
