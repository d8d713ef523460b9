# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resolving C{/dnsaddr}: a name that stands for the addresses of peers.

They are in the TXT records of C{_dnsaddr.} and the name.  See
libp2p/specs, addressing/README.md, and multiformats/multiaddr,
protocols/DNSADDR.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError,
    fail,
)
from twisted.internet.error import CannotListenError, DNSLookupError
from twisted.internet.interfaces import IResolver
from twisted.names import client, dns, error
from twisted.python.failure import Failure

from twisted_libp2p.address.multiaddr import Component, Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, NoAddresses
from twisted_libp2p.pacing import Deadline

__all__ = ["MAX_ADDRESSES", "MAX_DEPTH", "MAX_LOOKUPS", "DNSAddrResolver", "isDNSAddr"]

#: How many names may stand behind each other, as in go-libp2p.
MAX_DEPTH = 4

#: How many names are asked for in one resolution.
MAX_LOOKUPS = 32

#: How many addresses one resolution gives.
MAX_ADDRESSES = 100

#: Seconds after which a question is asked again; the last time, given up.
TIMEOUTS = (1, 3, 6)

#: Where the name servers are written.
RESOLV_CONF = "/etc/resolv.conf"

# Number of random ports that are tried; nearly all of them are free.
_PORTS = 9

#: The most bytes of it that are read.
MAX_RESOLV_CONF = 65_536


def isDNSAddr(address: Multiaddr) -> bool:
    """
    Tell whether an address is one that has to be resolved here.
    """
    return address.names[:1] == ("dnsaddr",)


class DNSAddrResolver:
    """
    Gives the addresses that C{/dnsaddr} addresses stand for.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: IResolver | None = None,
        dialable: Callable[[Multiaddr], bool] = lambda address: True,
    ) -> None:
        """
        @param reactor: asks the name servers of the system.
        @param resolver: is asked for TXT records instead.
        @param dialable: checks whether this node can dial an address; others are
            left out first.
        """
        self._reactor = reactor
        self._resolver = resolver
        self._dialable = dialable

    def resolve(self, address: Multiaddr) -> Deferred[list[Multiaddr]]:
        """
        Resolve an address.  Where the result is again a C{/dnsaddr}, that is
        resolved as well: up to L{MAX_DEPTH} behind each other, and
        L{MAX_LOOKUPS} in all.

        @param address: C{/dnsaddr/...}; what follows the name is what the
            results have to end with, such as C{/p2p/12D3Koo...}.
        @return: fires with 1 to L{MAX_ADDRESSES} addresses, none of which is a
            C{/dnsaddr}.  Fails with C{DNSLookupError} if a name cannot be
            resolved, or with L{NoAddresses} if nothing of use came of it.
        """
        return Deferred.fromCoroutine(self._resolve(address))

    async def _resolve(self, address: Multiaddr) -> list[Multiaddr]:
        resolver, leash = self._resolver, None
        if resolver is None:
            leash = _Leash(self._reactor)
            resolver = _systemResolver(leash)
        found: dict[Multiaddr, None] = {}
        useless: dict[Multiaddr, None] = {}
        failures: list[BaseException] = []
        asked: dict[Multiaddr, None] = {}
        names = [address]
        try:
            for _ in range(MAX_DEPTH):
                names = [each for each in dict.fromkeys(names) if each not in asked]
                names = names[: MAX_LOOKUPS - len(asked)]
                if not names:
                    break
                asked.update(dict.fromkeys(names))
                # All that are as deep are asked for at once.
                answers = await DeferredList(
                    [_lookup(resolver, each) for each in names], consumeErrors=True
                )
                names = []
                for _, answer in answers:
                    if isinstance(answer, Failure):
                        # Anything else is that all of it was given up.
                        answer.trap(DNSLookupError)
                        failures.append(answer.value)
                        continue
                    for each in answer:
                        if isDNSAddr(each):
                            names.append(each)
                            continue
                        some = found if self._dialable(each) else useless
                        if len(some) < MAX_ADDRESSES:
                            some[each] = None
        finally:
            if leash is not None:
                leash.end()
        if found or useless:
            return [*found, *useless][:MAX_ADDRESSES]
        raise (
            failures[0]
            if failures
            else NoAddresses(f"nothing that can be dialed stands behind {address}")
        )


async def _ask(resolver: IResolver, address: Multiaddr) -> list[Multiaddr]:
    """
    Ask for one name, and keep what ends as the address does.
    """
    first, *suffix = address
    name = first.value or ""
    try:
        answers, *_ = await resolver.lookupText(f"_dnsaddr.{name}", TIMEOUTS)
    except CancelledError:
        raise
    except Exception as problem:
        raise DNSLookupError(f"{name}: {_explain(problem)}") from problem
    return list(_matching(answers, suffix))


def _lookup(resolver: IResolver, address: Multiaddr) -> Deferred[list[Multiaddr]]:
    return Deferred.fromCoroutine(_ask(resolver, address))


def _matching(answers: Any, suffix: list[Component]) -> Iterator[Multiaddr]:
    """
    Read the addresses in the answers.  What cannot be read is left out: others
    put other things into TXT records, and peers know protocols that we do not.
    """
    for answer in answers:
        if not isinstance(answer.payload, dns.Record_TXT):
            continue
        key, _, value = b"".join(answer.payload.data).partition(b"=")
        if key != b"dnsaddr":
            continue
        try:
            found = Multiaddr(value.decode())
        except (UnicodeDecodeError, InvalidMultiaddr):
            continue
        if len(found) >= len(suffix) and list(found)[len(found) - len(suffix) :] == (
            suffix
        ):
            yield found


def _explain(problem: Exception) -> str:
    """
    Say in words what twisted.names says by types.
    """
    if isinstance(problem, error.DNSNameError):
        return "there is no such name"
    if isinstance(problem, error.DNSQueryTimeoutError | TimeoutError):
        return "no name server has answered"
    if isinstance(problem, error.DomainError):
        return f"the name server has refused ({type(problem).__name__})"
    return str(problem) or type(problem).__name__


class _Leash:
    """
    A reactor that ends whatever was begun with it: C{twisted.names} leaves
    timers and connections behind, though no ports, when it is given up.
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
        End it all; what has ended by itself does not mind.
        """
        ends, self._ends = self._ends, []
        for each in ends:
            each()


class _Resolver(client.Resolver):
    """
    A resolver that asks the next name server when one cannot be asked at all.
    """

    def __init__(self, servers: list[tuple[str, int]], leash: _Leash) -> None:
        super().__init__(servers=servers, reactor=leash)
        # The factory's own protocols would run their timers in the global reactor.
        factory: Any = self.factory
        factory.buildProtocol = self._build

    def _build(self, addr: object) -> dns.DNSProtocol:
        protocol = dns.DNSProtocol(self, self._reactor)
        protocol.factory = self.factory
        return protocol

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


def _systemResolver(leash: _Leash) -> IResolver:
    """
    Give a resolver that asks the name servers of the system.

    A new one is made for each resolution: the servers may have changed.
    """
    try:
        with open(RESOLV_CONF, "rb") as file:
            configuration = file.read(MAX_RESOLV_CONF)
    except OSError:
        configuration = b""
    resolver: IResolver = _Resolver(nameServers(configuration), leash)
    return resolver
