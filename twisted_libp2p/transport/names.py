# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resolving host names to IP addresses.

The system's resolver blocks, for half a minute if a name server is silent.  It runs
in threads of its own, so that an application which uses the thread pool of the
reactor does not wait for the names of strangers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from math import inf
from threading import Thread
from typing import Any

from twisted.internet._idna import _idnaBytes
from twisted.internet._resolver import GAIResolver
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.transport.lane import Lane

__all__ = [
    "MAX_ADDRESSES",
    "MAX_LOOKUPS",
    "MAX_STRANGERS",
    "MAX_WAITING",
    "NameResolver",
]

#: Number of names of our own user that are resolved at once.  Each takes a thread;
#: Twisted's pool has as many.
MAX_LOOKUPS = 10

#: Number of names of peers that are resolved at once, in all dials.
MAX_STRANGERS = 2

#: Number of names of peers that may wait for that.
MAX_WAITING = 64

#: The most addresses of one name that are used.
MAX_ADDRESSES = 32

_FAMILIES = {
    "dns": socket.AF_UNSPEC,
    "dns4": socket.AF_INET,
    "dns6": socket.AF_INET6,
}

_TYPES: dict[str, list[type[IAddress]] | None] = {
    "dns": None,
    "dns4": [IPv4Address],
    "dns6": [IPv6Address],
}

#: A function that resolves a name and blocks, as C{socket.getaddrinfo} does.
GetAddrInfo = Callable[..., Sequence[tuple[Any, Any, Any, Any, Any]]]


@implementer(IResolutionReceiver)
class _Receiver:
    """
    Collects the addresses that a resolver of Twisted finds.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[str, None] = {}
        self._resolution: IHostResolution | None = None
        self.done: Deferred[list[str]] = Deferred(self._cancelled)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """
        Keep the resolution, to cancel it.
        """
        self._resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        """
        Keep one address.
        """
        if isinstance(address, IPv4Address | IPv6Address):
            self._found[address.host] = None

    def resolutionComplete(self) -> None:
        """
        Return the addresses to the caller.
        """
        if self.done.called:
            return
        try:
            self.done.callback(_checked(self._name, self._found))
        except DNSLookupError:
            self.done.errback()

    def _cancelled(self, _: Deferred[list[str]]) -> None:
        try:
            if self._resolution is not None:
                self._resolution.cancel()
        except NotImplementedError:
            # Twisted's own cannot be given up.
            pass


class NameResolver:
    """
    Resolves host names, by the resolver that is installed in the reactor, or by
    the system's in threads of our own.

    Names of peers wait for each other; our own names never wait for them.
    """

    def __init__(
        self, reactor: Any, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        """
        @param reactor: runs the resolution.
        @param getaddrinfo: the system's resolver.
        """
        self._reactor = reactor
        self._getaddrinfo = getaddrinfo
        self._own: Lane[list[str]] = Lane(MAX_LOOKUPS, inf, _full)
        self._strangers: Lane[list[str]] = Lane(MAX_STRANGERS, MAX_WAITING, _full)

    def resolve(
        self, name: str, protocol: str = "dns", trusted: bool = True
    ) -> Deferred[list[str]]:
        """
        Find the IP addresses of a host.

        @param name: the name; any characters that DNS can carry, underscores too.
        @param protocol: C{dns}, C{dns4} or C{dns6}.
        @param trusted: whether our own user, and no peer, has named it.
        @return: fires with 1 to L{MAX_ADDRESSES} addresses, each once, in the order
            of the resolver.  Fails with C{DNSLookupError}.
        """
        lane = self._own if trusted else self._strangers
        try:
            encoded = _encode(name)
        except UnicodeError:
            return fail(DNSLookupError(f"{name!r} is no host name"))
        installed: IHostnameResolver | None = getattr(
            self._reactor, "nameResolver", None
        )
        if installed is not None and not _isDefault(installed, self._reactor):
            resolver = installed
            return lane.run(lambda: self._ask(resolver, encoded, protocol))
        if not hasattr(self._reactor, "callFromThread"):
            return fail(DNSLookupError("this reactor has no resolver of host names"))
        return lane.run(lambda: self._inThread(encoded, protocol), cancellable=False)

    def _ask(
        self, resolver: IHostnameResolver, name: str, protocol: str
    ) -> Deferred[list[str]]:
        """
        Ask the resolver that the application has installed.
        """
        receiver = _Receiver(name)
        types = _TYPES[protocol]
        if types is None:
            resolver.resolveHostName(receiver, name)
        else:
            resolver.resolveHostName(receiver, name, 0, types)
        return receiver.done

    def _inThread(self, name: str, protocol: str) -> Deferred[list[str]]:
        """
        Ask the system, which blocks.
        """
        done: Deferred[list[str]] = Deferred()

        def look() -> None:
            result: list[str] | Failure
            try:
                # In bytes, for Python would check each label of a text.
                answers = self._getaddrinfo(
                    name.encode("ascii"), 0, _FAMILIES[protocol], socket.SOCK_STREAM
                )
                result = _checked(name, [each[4][0] for each in answers])
            except DNSLookupError:
                result = Failure()
            except Exception as problem:
                result = Failure(DNSLookupError(f"{name}: {_explain(problem)}"))
            self._reactor.callFromThread(done.callback, result)

        # A thread that hangs in the system's resolver must not keep the program
        # from ending.
        Thread(target=look, name="libp2p name", daemon=True).start()
        return done


def _isDefault(resolver: IHostnameResolver, reactor: Any) -> bool:
    """
    Check whether a resolver is the one that Twisted installs: the resolver of the
    system, in the threads of the reactor.  An application may have installed one of
    the same class with a pool, or a function, of its own.
    """
    return (
        type(resolver) is GAIResolver
        and resolver._getThreadPool == reactor.getThreadPool
        and resolver._getaddrinfo is _SYSTEM
    )


# As Twisted has it: nobody may have replaced it since.
_SYSTEM = socket.getaddrinfo


def _checked(name: str, found: Any) -> list[str]:
    """
    Bound the addresses of a name.

    @raise DNSLookupError: the name has no address.
    """
    addresses = list(dict.fromkeys(found))[:MAX_ADDRESSES]
    if not addresses:
        raise DNSLookupError(f"{name}: there is no address of that name")
    return addresses


def _encode(name: str) -> str:
    """
    Write a name in ASCII, as DNS has it.  A label that is ASCII already stays as it
    is: IDNA would refuse underscores.

    @raise UnicodeError: that cannot be.
    """
    if name.isascii():
        return name
    for stop in "\u3002\uff0e\uff61":
        name = name.replace(stop, ".")
    return ".".join(
        label if label.isascii() else _idnaBytes(label).decode("ascii")
        for label in name.split(".")
    )


def _explain(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem) or type(problem).__name__


def _full() -> DNSLookupError:
    return DNSLookupError(f"more than {MAX_WAITING} names wait to be resolved")
