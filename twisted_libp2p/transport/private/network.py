# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Private networks: a key that all members share hides every byte of a stream
transport from others, even which security protocols are negotiated.

Each direction is a nonce and then one key stream.  Nothing is authenticated,
and there is nothing to agree on: to whoever has another key, or none, a member
speaks noise.  The handshake that follows proves who a peer is.

See libp2p/specs, pnet/Private-Networks-PSK-V1.md.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Mapping
from hashlib import shake_128
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity.secrets import readSecret
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    ITransport,
)
from twisted_libp2p.pacing import Layer
from twisted_libp2p.transport.private.xsalsa20 import (
    KEY_SIZE,
    NONCE_SIZE,
    Keystream,
    salsa20,
    xsalsa20,
)

__all__ = [
    "FORCE",
    "PrivateConnection",
    "PrivateFactory",
    "PrivateNetwork",
    "PrivateTransport",
    "protect",
]

#: The environment variable that, if it is 1, forbids to do without a private
#: network.
FORCE: Final = "LIBP2P_FORCE_PNET"

_HEADER: Final = b"/key/swarm/psk/1.0.0/"

# A file of a key, with room for some spaces.
_LONGEST_FILE: Final = 512

_log = Logger()


class PrivateNetwork:
    """
    The key that the members of a private network share.

    @ivar fingerprint: tells networks apart, in hexadecimal digits, and gives
        nothing of the key away; as go-libp2p and rust-libp2p compute it.
    """

    def __init__(self, key: bytes) -> None:
        """
        @param key: 32 bytes.
        @raise ConfigurationError: it has another size, or the package with the
            cipher is not installed.
        """
        if len(key) != KEY_SIZE:
            raise ConfigurationError(
                f"the key of a private network has {KEY_SIZE} bytes, not {len(key)}"
            )
        self._key = key
        masked = salsa20(key, b"finprint")(bytes(64))
        self.fingerprint: str = shake_128(masked).hexdigest(16)

    @classmethod
    def fromFile(cls, path: str | os.PathLike[str]) -> PrivateNetwork:
        """
        Read the file of a key, known as C{swarm.key}.

        It has three lines: C{/key/swarm/psk/1.0.0/}, the encoding, which is
        C{/base16/}, C{/base64/} or C{/bin/}, and the key.

        A file that others can read is warned about.

        @raise ConfigurationError: the file cannot be read, or holds no key.
        """
        try:
            return cls(_parse(readSecret("Private network file", path, _LONGEST_FILE)))
        except OSError as error:
            problem = error.strerror
        except ConfigurationError as error:
            problem = str(error)
        raise ConfigurationError(f"private network file {os.fspath(path)}: {problem}")

    def begin(self) -> tuple[bytes, Keystream]:
        """
        Begin our direction of a connection.

        @return: the nonce to send first, and what encrypts all that follows.
        """
        nonce = os.urandom(NONCE_SIZE)
        return nonce, self.keystream(nonce)

    def keystream(self, nonce: bytes) -> Keystream:
        """
        Begin one direction of a connection.

        @param nonce: 24 bytes, drawn by its sender.
        @return: what encrypts, or decrypts, all that follows the nonce.
        """
        return xsalsa20(self._key, nonce)

    def __repr__(self) -> str:
        return f"<PrivateNetwork {self.fingerprint}>"


def _parse(content: bytes) -> bytes:
    """
    Read what the file of a key holds.

    @raise ConfigurationError: this is no such file.
    """
    if len(content) > _LONGEST_FILE:
        raise ConfigurationError("it is too large to be a key")
    header, _, rest = content.partition(b"\n")
    encoding, _, encoded = rest.partition(b"\n")
    if header.rstrip(b"\r") != _HEADER:
        raise ConfigurationError(f"the first line has to be {_HEADER.decode()}")
    name = encoding.rstrip(b"\r").decode("ascii", "replace")
    decode = _ENCODINGS.get(name)
    if decode is None:
        raise ConfigurationError(
            f"the second line has to be one of {', '.join(_ENCODINGS)}"
        )
    try:
        return decode(encoded)
    except binascii.Error:
        raise ConfigurationError(f"the key is not in {name.strip('/')}") from None


def _unframed(encoded: bytes) -> bytes:
    """
    Bytes as they are, but for the end of a line that an editor may have put
    behind them.
    """
    for end in (b"\r\n", b"\n"):
        if len(encoded) == KEY_SIZE + len(end) and encoded.endswith(end):
            return encoded[:KEY_SIZE]
    return encoded


_ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "/base16/": lambda encoded: binascii.unhexlify(encoded.strip()),
    "/base64/": lambda encoded: base64.b64decode(encoded.strip(), validate=True),
    "/bin/": _unframed,
}


@implementer(IHalfCloseableProtocol)
class PrivateConnection(Layer):
    """
    One connection inside a private network.  Below everything else it encrypts the
    written bytes and decrypts the received ones, and has no other effect.

    Our nonce leaves as soon as there is a connection, together with the first bytes of
    the wrapped protocol: js-libp2p sends nothing before it has received a nonce.
    """

    factory: PrivateFactory

    _encrypt: Keystream | None = None
    _decrypt: Keystream | None = None
    _partialNonce = b""

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol, and send our nonce if that has not sent it.
        """
        super().makeConnection(transport)
        if self._encrypt is None:
            nonce, self._encrypt = self.factory.network.begin()
            self.below.write(nonce)

    def dataReceived(self, data: bytes) -> None:
        """
        Decrypt; the first bytes are the peer's nonce.
        """
        if self._decrypt is None:
            data = self._partialNonce + data
            if len(data) < NONCE_SIZE:
                self._partialNonce = data
                return
            self._decrypt = self.factory.network.keystream(data[:NONCE_SIZE])
            data = data[NONCE_SIZE:]
        if data and self.wrappedProtocol is not None:
            self.wrappedProtocol.dataReceived(self._decrypt(data))

    def write(self, data: bytes) -> None:
        """
        Encrypt and send.
        """
        if data:
            self.below.write(self._seal(data))

    def writeNow(self, data: bytes) -> None:
        """
        Encrypt and send, at once as far as the transport takes it.
        """
        if data:
            self.below.writeNow(self._seal(data))

    def _seal(self, data: bytes) -> bytes:
        """
        Encrypt; our nonce goes before the first bytes.
        """
        if self._encrypt is None:
            nonce, self._encrypt = self.factory.network.begin()
            return nonce + self._encrypt(data)
        return self._encrypt(data)


class PrivateFactory(WrappingFactory[PrivateConnection]):
    """
    Puts what a factory builds into a private network.

    @ivar network: the network.
    """

    noisy = False

    def __init__(
        self, network: PrivateNetwork, wrappedFactory: IProtocolFactory
    ) -> None:
        super().__init__(wrappedFactory)
        self.network = network

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any node.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> PrivateConnection | None:
        """
        Build the connection, and the protocol that it wraps.

        @return: None if the wrapped factory refuses.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else PrivateConnection(self, wrapped)


@implementer(IStreamClientEndpoint)
class _ClientEndpoint:
    """
    Connects inside a private network.
    """

    def __init__(
        self, network: PrivateNetwork, endpoint: IStreamClientEndpoint
    ) -> None:
        self._network = network
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, as the endpoint does.
        """

        def connected(connection: Any) -> IProtocol:
            wrapped: IProtocol = connection.wrappedProtocol
            return wrapped

        factory = PrivateFactory(self._network, protocolFactory)
        return self._endpoint.connect(factory).addCallback(connected)


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """
    Listens inside a private network.
    """

    def __init__(
        self, network: PrivateNetwork, endpoint: IStreamServerEndpoint
    ) -> None:
        self._network = network
        self._endpoint = endpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as the endpoint does.
        """
        return self._endpoint.listen(PrivateFactory(self._network, protocolFactory))


@implementer(ITransport)
class PrivateTransport:
    """
    Another transport, inside a private network: the same addresses, which only
    members reach.
    """

    def __init__(self, transport: AnyTransport, network: PrivateNetwork) -> None:
        """
        @param transport: carries the bytes.  Its C{byteStream} has to be true: a
            transport that encrypts by itself cannot be private.
        @param network: whose members to reach.
        @raise ConfigurationError: the transport does not say so.
        """
        if not transport.byteStream or not ITransport.providedBy(transport):
            raise ConfigurationError(
                f"the transport {transport.name} cannot be used in a private"
                " network: its connections are not plain streams of bytes"
            )
        self.name: str = transport.name
        self.byteStream = True
        self._transport = transport
        self._network = network

    def canDial(self, address: Multiaddr) -> bool:
        """
        Tell whether the transport dials the address.
        """
        return self._transport.canDial(address)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Tell whether the transport listens on the address.
        """
        return self._transport.canListen(address)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.
        """
        endpoint = self._transport.clientEndpoint(address, options)
        return _ClientEndpoint(self._network, endpoint)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Give the endpoint that listens on an address.
        """
        return _ServerEndpoint(self._network, self._transport.serverEndpoint(address))

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Give the real addresses of a listening port.
        """
        return self._transport.listeningOn(address, port)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an address as the transport does.
        """
        return self._transport.toMultiaddr(address)


def protect(
    transports: Iterable[AnyTransport],
    network: PrivateNetwork | None,
    environment: Mapping[str, str] = os.environ,
    chosen: bool = True,
) -> list[AnyTransport]:
    """
    Put all transports of a node into its private network, if it has one, and
    log which one that is.

    @param network: None for a node of the public network.
    @param environment: where L{FORCE} is looked up.
    @param chosen: whether the user has asked for these transports.  Otherwise those
        that cannot be private are left out, with one line in the log.
    @raise ConfigurationError: one of the chosen transports cannot be private, or there
        is no network, but L{FORCE} demands one.
    """
    if network is None:
        if environment.get(FORCE) == "1":
            raise ConfigurationError(
                f"{FORCE} is 1, but there is no key of a private network"
            )
        return list(transports)
    private: list[AnyTransport] = []
    for each in transports:
        if chosen or each.byteStream:
            private.append(PrivateTransport(each, network))
        else:
            _log.info(
                "the transport {name} is left out: its connections are not plain"
                " streams of bytes, which a private network needs",
                name=each.name,
            )
    _log.info("in the private network {fingerprint}", fingerprint=network.fingerprint)
    return private
