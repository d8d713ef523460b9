# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The name servers of the system, as C{/etc/resolv.conf} has them, and a resolver that
asks them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IResolver
from twisted.names import client, dns
from twisted.python.failure import Failure

from twisted_libp2p.pacing import Deadline

__all__ = ["RESOLV_CONF", "Leash", "nameServers", "systemResolver"]

#: The file with the name servers.
RESOLV_CONF = "/etc/resolv.conf"

#: The most bytes of it that are read.
MAX_RESOLV_CONF = 65_536

# Number of random ports that are tried; nearly all of them are free.
_PORTS = 9


class Leash:
    """
    A reactor that ends all timers and connections that were made with it:
    C{twisted.names} leaves these, though no ports, when a question is cancelled.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ends: list[Callable[[], object]] = []
        self.listenUDP = reactor.listenUDP

    def callLater(
        self, seconds: float, function: Callable[..., object], *args: object
    ) -> Deadline:
        call = Deadline(self._reactor, seconds, function, *args)

        def end() -> None:
            if call.active():
                call.cancel()

        self._ends.append(end)
        return call

    def connectTCP(self, *args: Any, **kwargs: Any) -> Any:
        connector = self._reactor.connectTCP(*args, **kwargs)
        self._ends.append(connector.disconnect)
        return connector

    def end(self) -> None:
        """
        End all of them.
        """
        ends, self._ends = self._ends, []
        for each in ends:
            each()


class _Factory(client.DNSClientFactory):
    """
    Builds protocols that run their timers in the reactor of the resolver; those of the
    base class run them in the global one.
    """

    noisy = False

    def __init__(self, resolver: _Resolver, leash: Leash) -> None:
        super().__init__(resolver)
        self._resolver = resolver
        self._leash = leash

    def buildProtocol(self, addr: object) -> dns.DNSProtocol:
        """
        Build the protocol of one TCP connection.
        """
        protocol = dns.DNSProtocol(self._resolver, self._leash)
        protocol.factory = self
        return protocol


class _Resolver(client.Resolver):
    """
    A resolver that asks the next name server when one cannot be asked at all.
    """

    def __init__(self, servers: list[tuple[str, int]], leash: Leash) -> None:
        super().__init__(servers=servers, reactor=leash)
        self.factory = _Factory(self, leash)

    def _query(self, *args: Any) -> Deferred[Any]:
        """
        Send a question to one name server.

        Twisted tries the next one after a timeout, but not if the socket refuses
        to send, as it does without a route to an IPv6 server, or if there is no
        socket, as on a host without IPv6.
        """
        address = args[0][0]
        protocol: Any = dns.DNSDatagramProtocol(self, reactor=self._reactor)
        try:
            self._bind(protocol, "::" if isIPv6Address(address) else "")
        except (CannotListenError, OSError):
            return fail(dns.DNSQueryTimeoutError(dns.randomSource()))
        asked: Deferred[Any] = protocol.query(*args)

        def answered(result: Any) -> Any:
            protocol.transport.stopListening()
            if isinstance(result, Failure) and result.check(OSError, ValueError):
                return Failure(dns.DNSQueryTimeoutError(protocol.pickID()))
            return result

        return asked.addBoth(answered)

    def _bind(self, protocol: Any, interface: str) -> None:
        """
        Open a port with a random number.

        @raise CannotListenError: no port can be opened.
        """
        for _ in range(_PORTS):
            # Another program may have the port.
            with suppress(CannotListenError):
                self._reactor.listenUDP(
                    dns.randomSource(), protocol, interface=interface
                )
                return
        self._reactor.listenUDP(dns.randomSource(), protocol, interface=interface)


def nameServers(configuration: bytes) -> list[tuple[str, int]]:
    """
    Read the name servers in the text of C{/etc/resolv.conf}.  A line that cannot
    be used is skipped.

    @return: their addresses and ports, without repetitions; the name server of
        this host if the text names none, as resolv.conf(5) demands.
    """
    found: dict[tuple[str, int], None] = {}
    for line in configuration.splitlines():
        keyword, *values = line.split()[:2] or [b""]
        if keyword != b"nameserver" or not values:
            continue
        with suppress(UnicodeDecodeError):
            address = values[0].decode("ascii")
            if isIPAddress(address) or isIPv6Address(address):
                found[address, dns.PORT] = None
    return list(found) or [("127.0.0.1", dns.PORT)]


def systemResolver(leash: Leash) -> IResolver:
    """
    Make a resolver that asks the name servers of the system.

    There is one for each resolution: the servers may have changed.

    @param leash: ends the timers and connections of the resolver.
    """
    try:
        with open(RESOLV_CONF, "rb") as file:
            configuration = file.read(MAX_RESOLV_CONF)
    except OSError:
        configuration = b""
    resolver: IResolver = _Resolver(nameServers(configuration), leash)
    return resolver
