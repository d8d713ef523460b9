# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resolving C{/dnsaddr}: a name that stands for the addresses of peers.

The addresses are in the TXT records of C{_dnsaddr.} and the name.  See
libp2p/specs, addressing/README.md, and multiformats/multiaddr,
protocols/DNSADDR.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError,
)
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IResolver
from twisted.names import dns, error
from twisted.python.failure import Failure

from twisted_libp2p.address.multiaddr import Component, Multiaddr
from twisted_libp2p.connection.nameservers import Leash, systemResolver
from twisted_libp2p.errors import InvalidMultiaddr, NoAddresses

__all__ = ["MAX_ADDRESSES", "MAX_DEPTH", "MAX_LOOKUPS", "DNSAddrResolver", "isDNSAddr"]

#: How many names may lead to each other in a chain, as in go-libp2p.
MAX_DEPTH = 4

#: The most names in one resolution.
MAX_LOOKUPS = 32

#: The most addresses that one resolution returns.
MAX_ADDRESSES = 100

#: Seconds after which a question is sent again; after the last, it has failed.
TIMEOUTS = (1, 3, 6)


def isDNSAddr(address: Multiaddr) -> bool:
    """
    Check whether an address is a C{/dnsaddr}.
    """
    return address.names[:1] == ("dnsaddr",)


class DNSAddrResolver:
    """
    Finds the addresses for which C{/dnsaddr} addresses stand.
    """

    def __init__(
        self,
        reactor: Any,
        resolver: IResolver | None = None,
        dialable: Callable[[Multiaddr], bool] = lambda address: True,
    ) -> None:
        """
        Make a resolver.

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
        Resolve an address.  If the result is again a C{/dnsaddr}, that is
        resolved as well: a chain of up to L{MAX_DEPTH} names, and
        L{MAX_LOOKUPS} names in all.

        @param address: C{/dnsaddr/...}; all results end with the same components
            that follow the name, such as C{/p2p/12D3Koo...}.
        @return: fires with 1 to L{MAX_ADDRESSES} addresses, none of which is a
            C{/dnsaddr}.  Fails with C{DNSLookupError} if a name cannot be
            resolved, or with L{NoAddresses} if it leads to no address.
        """
        return Deferred.fromCoroutine(self._resolve(address))

    async def _resolve(self, address: Multiaddr) -> list[Multiaddr]:
        if self._resolver is not None:
            return await _Search(self._resolver, self._dialable).run(address)
        leash = Leash(self._reactor)
        try:
            return await _Search(systemResolver(leash), self._dialable).run(address)
        finally:
            leash.end()


class _Search:
    """
    One resolution, name after name.
    """

    def __init__(
        self, resolver: IResolver, dialable: Callable[[Multiaddr], bool]
    ) -> None:
        self._resolver = resolver
        self._dialable = dialable
        self._found: dict[Multiaddr, None] = {}
        self._useless: dict[Multiaddr, None] = {}
        self._failures: list[BaseException] = []
        self._asked: dict[Multiaddr, None] = {}

    async def run(self, address: Multiaddr) -> list[Multiaddr]:
        """
        Resolve an address, level by level.
        """
        names = [address]
        for _ in range(MAX_DEPTH):
            names = [each for each in dict.fromkeys(names) if each not in self._asked]
            names = names[: MAX_LOOKUPS - len(self._asked)]
            if not names:
                break
            self._asked.update(dict.fromkeys(names))
            # All names of one level are asked for at once.
            answers = await DeferredList(
                [_lookup(self._resolver, each) for each in names], consumeErrors=True
            )
            names = [name for _, answer in answers for name in self._keep(answer)]
        if self._found or self._useless:
            return [*self._found, *self._useless][:MAX_ADDRESSES]
        raise (
            self._failures[0]
            if self._failures
            else NoAddresses(f"{address} leads to no address that can be dialed")
        )

    def _keep(self, answer: list[Multiaddr] | Failure) -> list[Multiaddr]:
        """
        Keep the addresses in an answer.

        @return: the names in it.
        """
        if isinstance(answer, Failure):
            # Any other failure says that the whole resolution was cancelled.
            answer.trap(DNSLookupError)
            assert answer.value is not None
            self._failures.append(answer.value)
            return []
        names = []
        for each in answer:
            if isDNSAddr(each):
                names.append(each)
                continue
            some = self._found if self._dialable(each) else self._useless
            if len(some) < MAX_ADDRESSES:
                some[each] = None
        return names


async def _ask(resolver: IResolver, address: Multiaddr) -> list[Multiaddr]:
    """
    Ask for one name, and keep the addresses with the same end.
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
    Read the addresses in the answers.  Texts that cannot be read are left out: TXT
    records serve other purposes too, and peers know protocols that we do not.
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
    Describe an error of twisted.names, whose type alone says what happened.
    """
    if isinstance(problem, error.DNSNameError):
        return "there is no such name"
    if isinstance(problem, error.DNSQueryTimeoutError | TimeoutError):
        return "no name server has answered"
    if isinstance(problem, error.DomainError):
        return f"the name server has refused ({type(problem).__name__})"
    return str(problem) or type(problem).__name__
