# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the texts of HTTP over libp2p.
"""

from __future__ import annotations

from tests.fuzz.target import target
from tests.vectors import vectorIdentity
from twisted_libp2p.errors import HandshakeFailed, InvalidInput, ProtocolViolation
from twisted_libp2p.web.auth.client import ClientHandshake, Step
from twisted_libp2p.web.auth.parameters import parseParameters, writeParameters
from twisted_libp2p.web.auth.server import Authenticator
from twisted_libp2p.web.places import WebPlace
from twisted_libp2p.web.protocols import parseProtocols, writeProtocols


@target
def webPlaces(data: bytes) -> None:
    """
    A URI names a peer and a path that a request may have, also after a redirect; or it
    is refused.
    """
    text, _, location = data.decode("latin-1").partition("\n")
    try:
        place = WebPlace.parse(text)
    except InvalidInput:
        return
    assert place.path.startswith("/")
    assert place.path.isascii()
    assert not set(place.path) & set(" \r\n")
    again = WebPlace.parse(f"libp2p://{place.peer}{place.path}")
    assert again == place._replace(address=None)
    place.resolve(location)


@target
def webProtocols(data: bytes) -> None:
    """
    A list of protocols has a path for each, and is written and read again; or it is
    refused.
    """
    try:
        paths = parseProtocols(data)
    except ProtocolViolation:
        return
    assert all(path.startswith("/") for path in paths.values())
    assert parseProtocols(writeProtocols(paths)) == paths


@target
def peerIDHeaders(data: bytes) -> None:
    """
    A header of a peer id is read again as it was written, or is refused; it proves
    nothing to a server or a client, whatever it says.
    """
    header = data.decode("latin-1")
    try:
        found = parseParameters(header)
    except ProtocolViolation:
        found = {}
    if found:
        assert parseParameters(writeParameters(found)) == found
    server = Authenticator(vectorIdentity(1), lambda: 0.0)
    verdict = server.answer(header, "example.com")
    assert verdict.peer is None
    assert verdict.status in (400, 401)
    client = ClientHandshake(vectorIdentity(2), "example.com")
    try:
        client.receive({"WWW-Authenticate": header})
    except HandshakeFailed:
        pass
    else:
        # Any server may claim a key, and prove it later.
        assert client.step is Step.ANSWERING
    assert client.peer is None
