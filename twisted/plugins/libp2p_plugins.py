# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The plugins of twisted_libp2p: the service C{libp2p} of C{twist} and C{twistd}, the
prefix C{libp2p:} of endpoint strings, server and client, and the securities, muxers and
transports of the package.

Twisted loads this file whenever it looks for any plugin, so it names all classes by
strings, and imports them only when they are used.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import (
    IReactorCore,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from twisted.python.reflect import namedAny
from zope.interface import implementer

from twisted_libp2p.plugin import MuxerProvider, SecurityProvider, TransportProvider

__all__ = [
    "clientParser",
    "insecurePlaintext",
    "mplex",
    "noise",
    "onion3",
    "quic",
    "relay",
    "secio",
    "serverParser",
    "service",
    "tcp",
    "tls",
    "unix",
    "webrtc",
    "ws",
    "wss",
    "yamux",
]


@implementer(IPlugin, IStreamServerEndpointStringParser)
class _ServerParser:
    """
    C{serverFromString(reactor, "libp2p:...")}
    """

    prefix = "libp2p"

    def parseStreamServer(  # type: ignore[override]
        self, reactor: IReactorCore, /, *args: object, **kwargs: object
    ) -> IStreamServerEndpoint:
        """
        Hand the parts of the description to
        C{twisted_libp2p.endpoints.parseServer}.
        """
        parse = namedAny("twisted_libp2p.endpoints.parseServer")
        endpoint: IStreamServerEndpoint = parse(reactor, *args, **kwargs)
        return endpoint


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class _ClientParser:
    """
    C{clientFromString(reactor, "libp2p:...")}
    """

    prefix = "libp2p"

    def parseStreamClient(  # type: ignore[override]
        self, reactor: IReactorCore, /, *args: object, **kwargs: object
    ) -> IStreamClientEndpoint:
        """
        Hand the parts of the description to
        C{twisted_libp2p.endpoints.parseClient}.
        """
        parse = namedAny("twisted_libp2p.endpoints.parseClient")
        endpoint: IStreamClientEndpoint = parse(reactor, *args, **kwargs)
        return endpoint


service = ServiceMaker(
    "libp2p", "twisted_libp2p.tap", "A libp2p node: serves and dials peers.", "libp2p"
)
serverParser = _ServerParser()
clientParser = _ClientParser()

noise = SecurityProvider(
    "noise", "twisted_libp2p.security.noise.Noise", "Noise XX, spoken by all peers"
)
tls = SecurityProvider(
    "tls", "twisted_libp2p.security.tls.TLS", "TLS 1.3, spoken by all peers"
)
secio = SecurityProvider(
    "secio", "twisted_libp2p.security.secio.SECIO", "of old peers; weaker than others"
)
insecurePlaintext = SecurityProvider(
    "insecure-plaintext",
    "twisted_libp2p.security.plaintext.Plaintext",
    "no protection at all, for tests",
)

yamux = MuxerProvider(
    "yamux", "twisted_libp2p.muxer.yamux.Yamux", "with flow control for each stream"
)
mplex = MuxerProvider(
    "mplex", "twisted_libp2p.muxer.mplex.Mplex", "for peers that know no other"
)

quic = TransportProvider(
    "quic",
    "twisted_libp2p.quic.transport.QuicTransport.ofHost",
    "QUIC over UDP, secure and multiplexed by itself; needs the extra quic",
)
webrtc = TransportProvider(
    "webrtc-direct",
    "twisted_libp2p.webrtc.transport.RtcTransport.ofHost",
    "WebRTC-direct over UDP, for browsers; needs twisted-libp2p-native",
)
tcp = TransportProvider(
    "tcp", "twisted_libp2p.transport.tcp.TCPTransport.ofHost", "TCP over IPv4 and IPv6"
)
onion3 = TransportProvider(
    "onion3",
    "twisted_libp2p.transport.onion.OnionTransport.ofHost",
    "onion services, by the SOCKS port of Tor",
)
unix = TransportProvider(
    "unix",
    "twisted_libp2p.transport.unix.UnixTransport.ofHost",
    "Unix sockets, to processes of the same host",
)
ws = TransportProvider(
    "ws",
    "twisted_libp2p.transport.websocket.transport.WebSocketTransport.plain",
    "WebSocket, through web servers and from browsers",
)
wss = TransportProvider(
    "wss",
    "twisted_libp2p.transport.websocket.transport.WebSocketTransport.withTLS",
    "WebSocket over TLS; listening needs a certificate",
)
relay = TransportProvider(
    "relay",
    "twisted_libp2p.relay.transport.CircuitTransport.ofHost",
    "through relays, to and from peers that cannot be dialed",
)
