# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: identify, and the file of a private network's key.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.target import sameHoweverCut, target
from tests.vectors import hexBytes, vector
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, ProtocolViolation
from twisted_libp2p.identity import PrivateKey
from twisted_libp2p.protocols.identify import (
    MAX_ADDRESSES,
    MAX_PROTOCOLS,
    Identification,
    Reader,
)
from twisted_libp2p.transport.private import PrivateNetwork, _parse

_KEY = PrivateKey.fromBytes(hexBytes(vector("key.test_identity_01"), "private")).public
_REMOTE = Multiaddr("/ip4/192.0.2.1/tcp/4001")


@target
def identify(data: bytes) -> None:
    """
    What a peer tells is bounded, printable, and its own.
    """

    def run(pieces: Iterator[bytes]) -> object:
        reader = Reader(_KEY, _REMOTE)
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
