# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Nodes that dial names, and a resolver for them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    DialFailed,
    UnsupportedAddress,
)
from twisted_libp2p.events import Identified
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, ITransport, Source
from twisted_libp2p.node import Node

__all__ = ["PEER", "NamesOnly", "Reactor", "Recording", "ResolvingTestCase", "Zone"]

PEER = Identity.generate().peerID


@implementer(IHostnameResolver)
class Zone:
    """
    A resolver with names of a test.

    @ivar hosts: for each name its addresses; a list of lists gives one after the
        other, a name that is missing is never answered.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.answers: dict[str, list[list[str]]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        class Resolution:
            name = hostName

            def cancel(self) -> None:
                raise NotImplementedError

        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(Resolution())
        later = self.answers.get(hostName)
        found = later.pop(0) if later else self.hosts.get(hostName)
        if found is not None:
            for host in found:
                family: Any = IPv6Address if ":" in host else IPv4Address
                if addressTypes is None or family in addressTypes:
                    resolutionReceiver.addressResolved(family("TCP", host, portNumber))
            resolutionReceiver.resolutionComplete()
        return Resolution()


class Reactor(Clock):
    """
    A clock with a resolver.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Zone()


@implementer(ITransport)
class Recording:
    """
    A transport that notes which addresses are dialed, and reaches none.

    @ivar silent: whether it waits for an answer; otherwise it is refused.
    """

    name = "recording"
    byteStream = True

    def __init__(self) -> None:
        self.dialed: list[str] = []
        self.silent = False

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial whatever has an IP address and a TCP port.
        """
        return address.host is not None and address.names[-1] == "tcp"

    def canListen(self, address: Multiaddr) -> bool:
        """
        Listen on nothing.
        """
        return False

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        Give an endpoint that is refused.
        """
        transport = self

        class Endpoint:
            def connect(self, factory: Any) -> Deferred[Any]:
                transport.dialed.append(str(address))
                return (
                    Deferred() if transport.silent else fail(ConnectionRefusedError())
                )

        return Endpoint()

    def serverEndpoint(self, address: Multiaddr) -> Any:
        """
        Not this one.
        """
        raise UnsupportedAddress(str(address))

    def listeningOn(self, address: Multiaddr, port: Any) -> list[Multiaddr]:
        """
        Nowhere.
        """
        return []

    def toMultiaddr(self, address: Any) -> Multiaddr | None:
        """
        Nothing.
        """
        return None


class NamesOnly(Recording):
    """
    A transport that takes names, as a proxy does.
    """

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial names alone.
        """
        return address.names == ("dns", "tcp")


class ResolvingTestCase(SynchronousTestCase):
    """
    A node whose dials are noted.
    """

    def setUp(self) -> None:
        """
        Have one.
        """
        self.records: dict[str, list[str]] = {}
        self.make()

    def make(self, *transports: Recording, **options: Any) -> None:
        """
        Make the node.
        """
        self.reactor = Reactor()
        self.zone = self.reactor.nameResolver
        self.transport = Recording()
        resolver: Any = self
        self.node = Node(
            self.reactor,
            transports=list(transports) or [self.transport],
            resolver=resolver,
            **options,
        )

    def lookupText(self, name: str, timeout: Any) -> Deferred[Any]:
        """
        Resolve C{/dnsaddr}, as an C{IResolver}.
        """
        answers = [
            dns.RRHeader(name, dns.TXT, payload=dns.Record_TXT(each.encode()))
            for each in self.records.get(name.removeprefix("_dnsaddr."), ())
        ]
        return succeed((answers, [], []))

    def told(self, *texts: str, remote: str | None = None) -> None:
        """
        A peer has told its addresses: publish what identify does.
        """
        addresses = tuple(map(Multiaddr, texts))

        told: Any = SimpleNamespace(
            remotePeer=PEER,
            remoteAddress=None if remote is None else Multiaddr(remote),
        )
        self.node.peerstore.setAddresses(PEER, addresses, Source.IDENTIFY)
        self.node.events.publish(
            Identified(
                time=0.0,
                connection=told,
                peer=PEER,
                agent="",
                protocolVersion="",
                protocols=(),
                listenAddresses=addresses,
                observedAddress=None,
                record=None,
                push=False,
            )
        )

    def causes(self, dial: Deferred[Any]) -> dict[str, BaseException]:
        """
        Let a dial fail, and give the reasons.
        """
        self.reactor.pump([0.3] * 30)
        return dict(self.failureResultOf(dial, DialFailed).value.causes)
