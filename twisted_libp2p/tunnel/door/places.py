# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The places that the door leads to: peers by their names, protocols by their ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted
from twisted_libp2p.tunnel.target import protocolOf

__all__ = ["PROTOCOLS", "Place", "Places", "parsePort"]

#: The protocols of well-known ports.
PROTOCOLS: Final[Mapping[int, str]] = {22: "/ssh/1.0.0", 80: "/http/1.1"}

_SUFFIX: Final = ".p2p"


class Place(NamedTuple):
    """
    A protocol of a peer.

    @ivar addresses: known addresses of the peer.
    """

    peer: PeerID
    protocol: str
    addresses: tuple[Multiaddr, ...] = ()


def parsePort(text: str) -> tuple[int, str]:
    """
    Parse a value of C{--socks-port}.

    @return: the port, and its protocol.
    @raise ConfigurationError: it is malformed; the text says what would be right.
    """
    port, _, protocol = text.partition("=")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not (protocol and 0 < number < 1 << 16):
        raise ConfigurationError(
            f"--socks-port {text}: it has to be PORT=PROTOCOL, such as"
            " 5432=/postgresql/1.0.0"
        )
    try:
        return number, protocolOf(protocol)
    except ConfigurationError as error:
        raise ConfigurationError(f"--socks-port {text}: {error}") from None


class Places:
    """
    Finds the place that a program wants.
    """

    def __init__(
        self,
        named: Callable[[str], tuple[PeerID, Iterable[Multiaddr]] | None],
        protocols: Mapping[int, str] = PROTOCOLS,
    ) -> None:
        """
        @param named: returns the peer with a name, and its addresses; None without one.
        @param protocols: the protocol of each port.
        """
        self._named = named
        self._protocols = dict(protocols)

    def find(self, wanted: Wanted) -> Place:
        """
        Find a place.

        @raise Refused: there is none; the reason says what would be right.
        """
        peer, addresses = self._peer(wanted.host)
        protocol = self._protocols.get(wanted.port)
        if protocol is None:
            known = ", ".join(f"{port} is {name}" for port, name in self._shown())
            raise Refused(
                Refusal.FORBIDDEN,
                f"no protocol for port {wanted.port}: {known};"
                f" --socks-port {wanted.port}=PROTOCOL adds one",
            )
        return Place(peer, protocol, tuple(addresses))

    def _shown(self) -> list[tuple[int, str]]:
        return sorted(self._protocols.items())

    def _peer(self, host: str) -> tuple[PeerID, Iterable[Multiaddr]]:
        """
        Find a peer by the name of its host.
        """
        label = host.removesuffix(".")
        suffix = label[-len(_SUFFIX) :].lower() == _SUFFIX
        if suffix:
            label = label[: -len(_SUFFIX)]
            found = self._named(label.lower())
            if found is not None:
                return found
        try:
            peer = PeerID.fromText(label)
        except InvalidInput:
            raise Refused(Refusal.FORBIDDEN, _nobody(label, suffix)) from None
        return self._named(str(peer)) or (peer, ())


def _nobody(label: str, suffix: bool) -> str:
    """
    Return why a host is not that of a peer.
    """
    if label.startswith("12d3koow"):
        return (
            "the program has put a peer id into lower case: use its form in base36,"
            " which begins with k and is printed by libp2p id"
        )
    if suffix:
        return f"no paired peer is called {label[:63]!r}, and it is not a peer id"
    return f"{label[:63]!r} is not a peer: only NAME.p2p and peer ids are reached here"
