# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses at which other peers can reach this node, and how sure that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IListeningPort
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.identity import PeerID

__all__ = ["AddressSource", "Confidence", "IMovingPort", "IOwnAddresses", "OwnAddress"]


class AddressSource(IntEnum):
    """
    The origin of an address of ours, in the order in which peers are given addresses.
    """

    #: A listener is bound to it.
    BOUND = 1
    #: The user has configured it, such as the public address of a gateway.
    ANNOUNCED = 2
    #: A gateway has mapped it to a listener.
    MAPPED = 3
    #: A relay accepts connections for us there.
    RELAYED = 4
    #: Peers have seen our connections come from it.
    OBSERVED = 5


class Confidence(IntEnum):
    """
    How sure it is that an address leads to this node.
    """

    #: A peer has tried it without success.
    UNREACHABLE = 0
    #: Someone has named it, and nothing else is known.
    CLAIMED = 1
    #: There is a good reason to believe it; peers are given it from here on.
    LIKELY = 2
    #: A peer has reached this node at it.
    CONFIRMED = 3


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """
    One address of this node.

    @ivar address: the address, without a peer id.
    @ivar source: its origin; the first one if there are several.
    @ivar confidence: how sure it is that it leads here.
    """

    address: Multiaddr
    source: AddressSource
    confidence: Confidence


class IOwnAddresses(Interface):
    """
    The one owner of the addresses of a node.

    Each change of the addresses that peers are given is published as
    L{AddressesChanged<twisted_libp2p.events.AddressesChanged>} with the peer id of this
    node.
    """

    peerID: PeerID = Attribute("The peer id of the node.")

    def replace(
        source: AddressSource,
        addresses: Iterable[Multiaddr],
        confidence: Confidence | None = None,
    ) -> None:
        """
        Set all addresses of a source.

        @param confidence: how sure they are; None for the default of the source:
            L{Confidence.CLAIMED} for observed addresses, L{Confidence.LIKELY} for all
            others.
        """

    def judge(address: Multiaddr, confidence: Confidence | None) -> None:
        """
        Set the confidence of one address, whatever its source, as long as it has any.

        @param confidence: None takes the judgement back.
        """

    def rewrite(form: Callable[[Multiaddr], Multiaddr | None] | None) -> None:
        """
        Set the function that writes the addresses of all sources in the form in which
        peers can dial them, and write the present ones again.

        @param form: gets an address without a peer id; returns the form for peers, or
            None if they cannot dial it at present.  None leaves addresses as they are.
        """

    def all() -> list[OwnAddress]:
        """
        Return all addresses, in the order of their sources.
        """

    def dialable() -> list[Multiaddr]:
        """
        Return the addresses that peers are given, without peer id: those that are
        at least L{Confidence.LIKELY}.
        """


class IMovingPort(IListeningPort, Interface):
    """
    A port whose addresses change while it listens, such as a reservation at a relay.
    The C{listen} of an endpoint may return one.
    """

    def watch(changed: Callable[[], None]) -> None:
        """
        Call a function after each change, until the port is closed.  It calls
        C{listeningOn} of the transport again.
        """
