# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: identify, the answers of name servers, and private networks: the file of the
key, and what comes over the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.testing import StringTransport
from twisted.names import dns

from tests.fuzz.target import sameHoweverCut, target
from tests.vectors import vectorIdentity
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.dnsaddr import _matching
from twisted_libp2p.errors import ConfigurationError, ProtocolViolation
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.protocols.identify.reader import (
    MAX_ADDRESSES,
    MAX_PROTOCOLS,
    Reader,
)
from twisted_libp2p.testing.host import HostDouble
from twisted_libp2p.testing.muxer import Collector
from twisted_libp2p.transport.private import (
    PrivateConnection,
    PrivateFactory,
    PrivateNetwork,
)
from twisted_libp2p.transport.private.network import _parse
from twisted_libp2p.transport.private.xsalsa20 import (
    NONCE_SIZE,
    Keystream,
    hsalsa20,
    salsa20,
    xsalsa20,
)

_KEY = vectorIdentity(1).publicKey
_FILTER = HostDouble().addressFilter
_REMOTE = Multiaddr("/ip4/192.0.2.1/tcp/4001")
_SUFFIX = list(_REMOTE)[1:]


@target
def identify(data: bytes) -> None:
    """
    What a peer tells is bounded, printable, and its own.
    """

    def run(pieces: Iterator[bytes]) -> object:
        reader = Reader(_KEY, _REMOTE, _FILTER)
        try:
            for piece in pieces:
                reader.feed(piece)
            return reader.finish(Identification())
        except ProtocolViolation as violation:
            return str(violation)

    told = sameHoweverCut(data, run)
    if isinstance(told, Identification):
        assert len(told.protocols) <= MAX_PROTOCOLS
        assert len(told.listenAddresses) <= MAX_ADDRESSES
        assert told.agent.isprintable() and told.protocolVersion.isprintable()
        assert all(name.isprintable() for name in told.protocols)


@target
def swarmKeys(data: bytes) -> None:
    """
    A file holds a key of 32 bytes, or is refused.
    """
    try:
        network = PrivateNetwork(_parse(data))
    except ConfigurationError:
        return
    assert len(network.fingerprint) == 32


_SWARM_KEY = bytes(range(32))
_subkey = lru_cache(maxsize=8)(hsalsa20)


class _Network(PrivateNetwork):
    """
    Derives a key once for all the runs of an input, which is most of what they cost.
    """

    def begin(self) -> tuple[bytes, Keystream]:
        """
        Begin our direction, always in the same way.
        """
        nonce = bytes(NONCE_SIZE)
        return nonce, self.keystream(nonce)

    def keystream(self, nonce: bytes) -> Keystream:
        """
        Begin a direction.
        """
        return salsa20(_subkey(_SWARM_KEY, nonce[:16]), nonce[16:])


_NETWORK = _Network(_SWARM_KEY)


@target
def privateConnections(data: bytes) -> None:
    """
    A nonce comes first, and with it what comes behind is decrypted.
    """

    def run(pieces: Iterator[bytes]) -> bytes:
        application = Collector()
        factory = PrivateFactory(_NETWORK, Factory())
        connection = PrivateConnection(factory, application)
        connection.makeConnection(StringTransport())
        for piece in pieces:
            connection.dataReceived(piece)
        connection.connectionLost(connectionDone)
        assert len(application.reasons) == 1
        return bytes(application.data)

    text = sameHoweverCut(data, run)
    nonce, rest = data[3 : 3 + NONCE_SIZE], data[3 + NONCE_SIZE :]
    assert text == (xsalsa20(_SWARM_KEY, nonce)(rest) if rest else b"")


@target
def dnsAnswers(data: bytes) -> None:
    """
    Of what a name server says, only addresses that end as was asked are taken.
    """
    payloads = [dns.Record_TXT(*text.split(b"\1")) for text in data.split(b"\0")]
    answers = [dns.RRHeader(type=dns.TXT, payload=payload) for payload in payloads]
    for asked in ([], _SUFFIX):
        for found in _matching(answers, asked):
            assert list(found)[len(found) - len(asked) :] == asked
            assert Multiaddr(str(found)) == found
