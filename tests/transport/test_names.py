# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of resolving host names.
"""

from __future__ import annotations

import socket
from threading import Event, current_thread
from typing import Any

from twisted.internet import reactor
from twisted.internet._resolver import GAIResolver
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from twisted_libp2p.transport.names import (
    MAX_ADDRESSES,
    MAX_LOOKUPS,
    MAX_STRANGERS,
    MAX_WAITING,
    NameResolver,
)


@implementer(IHostnameResolver, IHostResolution)
class Installed:
    """
    A resolver that an application has installed; it answers when a test says so.
    """

    def __init__(self) -> None:
        self.name = ""
        self.asked: list[tuple[str, Any]] = []
        self.receivers: list[Any] = []
        self.cancelled = 0

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        self.asked.append((hostName, addressTypes))
        self.receivers.append(resolutionReceiver)
        resolutionReceiver.resolutionBegan(self)
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def answer(self, *addresses: Any) -> None:
        """
        Answer the oldest question.
        """
        receiver = self.receivers.pop(0)
        for each in addresses:
            receiver.addressResolved(each)
        receiver.resolutionComplete()


class FakeReactor(Clock):
    """
    A clock with a resolver.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Installed()


class InstalledTests(SynchronousTestCase):
    """
    The resolver that is installed in the reactor is the one that is asked.
    """

    def setUp(self) -> None:
        """
        Have one.
        """
        self.reactor = FakeReactor()
        self.resolver = self.reactor.nameResolver
        self.names = NameResolver(self.reactor)

    def test_addresses(self) -> None:
        """
        All addresses are given, each once, in their order.
        """
        found = self.names.resolve("example.test")
        self.resolver.answer(
            IPv6Address("TCP", "2001:db8::1", 0),
            IPv4Address("TCP", "192.0.2.1", 0),
            IPv4Address("TCP", "192.0.2.1", 0),
        )
        self.assertEqual(self.successResultOf(found), ["2001:db8::1", "192.0.2.1"])

    def test_families(self) -> None:
        """
        The protocol says which family is asked for.
        """
        for protocol in ("dns", "dns4", "dns6"):
            self.names.resolve("a", protocol)
        self.assertEqual(
            self.resolver.asked,
            [("a", None), ("a", [IPv4Address]), ("a", [IPv6Address])],
        )

    def test_names(self) -> None:
        """
        Names with underscores, and others that are no host names by RFC 952, reach
        the resolver; other scripts do in the form of DNS.
        """
        for name, asked in (
            ("my_host.example", "my_host.example"),
            ("_a._tcp.example.", "_a._tcp.example."),
            ("-a-.example", "-a-.example"),
            ("b\u00fccher.my_host.example", "xn--bcher-kva.my_host.example"),
            ("b\u00fccher\u3002example", "xn--bcher-kva.example"),
            ("x" * 70, "x" * 70),
        ):
            self.names.resolve(name).addErrback(lambda _: None).cancel()
            self.assertEqual(self.resolver.asked.pop(0)[0], asked)

    def test_noName(self) -> None:
        """
        What has no form in DNS is an error that names it.
        """
        name = "\u0661" * 70
        reason = self.failureResultOf(self.names.resolve(name), DNSLookupError)
        self.assertIn(name, str(reason.value))

    def test_nothing(self) -> None:
        """
        A name without an address is an error.
        """
        found = self.names.resolve("a")
        self.resolver.answer()
        self.assertIn("a", str(self.failureResultOf(found, DNSLookupError).value))

    def test_many(self) -> None:
        """
        Of ever so many addresses few are used.
        """
        found = self.names.resolve("a")
        self.resolver.answer(*(IPv4Address("TCP", f"8.8.8.{n}", 0) for n in range(99)))
        self.assertEqual(len(self.successResultOf(found)), MAX_ADDRESSES)

    def test_cancel(self) -> None:
        """
        To give up cancels the resolution, and lets the next name begin.
        """
        found = [
            self.names.resolve(f"a{n}", trusted=False) for n in range(MAX_STRANGERS + 1)
        ]
        self.assertEqual(len(self.resolver.asked), MAX_STRANGERS)
        found[0].cancel()
        self.failureResultOf(found[0], CancelledError)
        self.assertEqual(self.resolver.cancelled, 1)
        self.assertEqual(len(self.resolver.asked), MAX_STRANGERS + 1)
        # An answer that comes all the same is not wanted.
        self.resolver.answer(IPv4Address("TCP", "8.8.8.8", 0))

    def test_strangers(self) -> None:
        """
        However many names peers tell, few are resolved at once, a bounded number
        waits, and the names of our own user wait for none of them.
        """
        told = [
            self.names.resolve(f"a{n}", trusted=False)
            for n in range(MAX_STRANGERS + MAX_WAITING)
        ]
        refused = self.names.resolve("b", trusted=False)
        self.failureResultOf(refused, DNSLookupError)
        self.assertEqual(len(self.resolver.asked), MAX_STRANGERS)
        own = [self.names.resolve("own") for _ in range(2 * MAX_WAITING)]
        self.assertEqual(self.resolver.asked[-1][0], "own")
        self.assertEqual(len(self.resolver.asked), MAX_STRANGERS + MAX_LOOKUPS)
        for each in told + own:
            self.assertNoResult(each)

    def test_none(self) -> None:
        """
        A reactor without any resolver is an error that says so.
        """
        found = NameResolver(Clock()).resolve("a")
        self.assertIn(
            "resolver", str(self.failureResultOf(found, DNSLookupError).value)
        )


class SystemTests(TestCase):
    """
    Twisted's default is replaced: the resolver of the system is asked in threads of
    our own.
    """

    def setUp(self) -> None:
        """
        Have a resolver that answers when a test says so.
        """
        self.threads: set[str] = set()
        self.asked: list[Any] = []
        self.release = Event()
        self.addCleanup(self.release.set)
        self.names = NameResolver(reactor, self.getaddrinfo)

    def getaddrinfo(self, host: bytes, *args: Any) -> list[Any]:
        """
        Block, as the system does.
        """
        self.threads.add(current_thread().name)
        self.asked.append((host, *args))
        self.release.wait()
        if host == b"none":
            raise socket.gaierror(-2, "Name or service not known")
        if host == b"bad":
            raise ValueError("embedded null byte")
        return [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0))] * 2

    async def test_application(self) -> None:
        """
        Names that hang, of strangers and of our own, take no thread of the pool of
        the reactor: what the application defers to a thread begins at once.
        """
        waiting = [
            self.names.resolve(f"a{n}", trusted=trusted)
            for n in range(30)
            for trusted in (True, False)
        ]
        both = Event()
        first: Deferred[Any] = deferToThread(both.set)
        second: Deferred[Any] = deferToThread(both.wait)
        await first
        self.assertTrue(await second)
        self.assertLessEqual(len(self.asked), MAX_LOOKUPS + MAX_STRANGERS)
        self.release.set()
        self.assertEqual(await gatherResults(waiting), [["192.0.2.1"]] * 60)
        self.assertEqual(self.threads, {"libp2p name"})
        self.assertEqual(len(self.asked), 60)

    async def test_question(self) -> None:
        """
        The system is asked for the family, and with underscores.
        """
        self.release.set()
        for protocol, family in (
            ("dns", socket.AF_UNSPEC),
            ("dns4", socket.AF_INET),
            ("dns6", socket.AF_INET6),
        ):
            await self.names.resolve("my_host", protocol)
            self.assertEqual(
                self.asked.pop(), (b"my_host", 0, family, socket.SOCK_STREAM)
            )

    async def test_failures(self) -> None:
        """
        What the system says is in the error.
        """
        self.release.set()
        for name, text in (("none", "not known"), ("bad", "null byte")):
            with self.assertRaises(DNSLookupError) as caught:
                await self.names.resolve(name)
            self.assertIn(text, str(caught.exception))

    async def test_cancel(self) -> None:
        """
        A thread cannot be given up: it keeps its place, and the result is dropped.
        """
        waiting = [self.names.resolve(f"a{n}") for n in range(MAX_LOOKUPS + 1)]
        for each in waiting[:MAX_LOOKUPS]:
            each.cancel()
            self.assertIsInstance(self.failure(each), CancelledError)
        self.release.set()
        self.assertEqual(await waiting[-1], ["192.0.2.1"])
        self.assertEqual(len(self.asked), MAX_LOOKUPS + 1)

    def failure(self, waiting: Deferred[Any]) -> BaseException | None:
        """
        Give the error of what has failed.
        """
        reasons: list[Any] = []
        waiting.addErrback(reasons.append)
        error: BaseException = reasons[0].value
        return error

    async def test_otherPool(self) -> None:
        """
        A resolver of Twisted's class that the application has installed, with a
        function of its own, is asked.
        """

        class Wrapped:
            nameResolver = GAIResolver(
                reactor,  # type: ignore[arg-type]
                getaddrinfo=lambda *args: [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))
                ],
            )

            def __getattr__(self, name: str) -> Any:
                return getattr(reactor, name)

        names = NameResolver(Wrapped(), self.getaddrinfo)
        self.assertEqual(await names.resolve("a"), ["192.0.2.7"])
        self.assertEqual(self.asked, [])

    async def test_system(self) -> None:
        """
        The system itself knows this host, and spellings of addresses.
        """
        names = NameResolver(reactor)
        self.assertEqual(await names.resolve("127.1", "dns4"), ["127.0.0.1"])
