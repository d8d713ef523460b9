# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of resolving /dnsaddr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.dnsaddr import (
    MAX_ADDRESSES,
    MAX_DEPTH,
    MAX_LOOKUPS,
    DNSAddrResolver,
    isDNSAddr,
)
from twisted_libp2p.errors import NoAddresses

A = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
B = "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"


class Zone:
    """
    A resolver that knows TXT records.

    @ivar asked: the names that were asked for.
    """

    def __init__(self, records: Callable[[str], Any]) -> None:
        self._records = records
        self.asked: list[str] = []

    def lookupText(self, name: str, timeout: Any = None) -> Deferred[Any]:
        """
        Answer as a name server does.
        """
        self.asked.append(name)
        records = self._records(name)
        if isinstance(records, Deferred):
            return records
        if records is None:
            return fail(error.DNSNameError(dns.Message()))
        payloads = [
            each
            if not isinstance(each, str)
            # Longer texts are cut into strings of 255 bytes.
            else dns.Record_TXT(
                *(each.encode()[at : at + 255] for at in range(0, len(each), 255))
            )
            for each in records
        ]
        answers = [
            dns.RRHeader(name, payload.TYPE, payload=payload) for payload in payloads
        ]
        return succeed((answers, [], []))


class ResolveTests(SynchronousTestCase):
    """
    From a name to addresses.
    """

    def resolve(
        self, address: str, zone: dict[str, list[Any]] | Callable[[str], Any]
    ) -> Deferred[list[Multiaddr]]:
        """
        Resolve an address.
        """
        self.zone = Zone(zone if callable(zone) else zone.get)
        resolver: Any = self.zone
        return DNSAddrResolver(Clock(), resolver).resolve(Multiaddr(address))

    def resolved(self, address: str, zone: Any) -> list[str]:
        """
        Resolve an address, and give the results in text.
        """
        return [str(each) for each in self.successResultOf(self.resolve(address, zone))]

    def test_is(self) -> None:
        """
        What begins with /dnsaddr is to be resolved, and nothing else.
        """
        self.assertTrue(isDNSAddr(Multiaddr(f"/dnsaddr/a{A}")))
        self.assertFalse(isDNSAddr(Multiaddr("/dns4/a/tcp/1")))

    def test_all(self) -> None:
        """
        All addresses of the name, in their order, each once.
        """
        one, other = f"/ip4/1.2.3.4/tcp/1{A}", f"/dns6/b.example/tcp/2{B}"
        zone = {"_dnsaddr.a": [f"dnsaddr={each}" for each in (one, other, one)]}
        self.assertEqual(self.resolved("/dnsaddr/a", zone), [one, other])

    def test_suffix(self) -> None:
        """
        Only what ends as the address does.
        """
        one, other = f"/ip4/1.2.3.4/tcp/1{A}", f"/ip4/1.2.3.4/tcp/1{B}"
        zone = {"_dnsaddr.a": [f"dnsaddr={each}" for each in (one, other, A, "/ip4/1")]}
        self.assertEqual(self.resolved(f"/dnsaddr/a{B}", zone), [other])
        self.assertEqual(self.resolved(f"/dnsaddr/a/tcp/1{B}", zone), [other])
        self.failureResultOf(self.resolve(f"/dnsaddr/a/tcp/2{B}", zone), NoAddresses)

    def test_other(self) -> None:
        """
        Records that are something else, or nothing that can be read, are left
        out.
        """
        good = f"/ip4/1.2.3.4/tcp/1{A}"
        zone: dict[str, list[Any]] = {
            "_dnsaddr.a": [
                "v=spf1 -all",
                "dnsaddr",
                "dnsaddr=",
                "dnsaddr=/nonsense/1",
                "DNSADDR=" + good,
                dns.Record_TXT(b"dnsaddr=/dns4/\xff/tcp/1"),
                dns.Record_TXT(),
                dns.Record_CNAME("b"),
                "dnsaddr=" + good,
            ]
        }
        self.assertEqual(self.resolved("/dnsaddr/a", zone), [good])

    def test_long(self) -> None:
        """
        A text in several strings is one text.
        """
        long = f"/dns4/{'a' * 300}/tcp/1{A}"
        self.assertEqual(
            self.resolved("/dnsaddr/a", {"_dnsaddr.a": [f"dnsaddr={long}"]}), [long]
        )

    def test_undialable(self) -> None:
        """
        Any number of addresses that the node cannot dial leaves room for those that
        it can.
        """
        texts = [
            *(f"dnsaddr=/ip4/192.0.2.1/udp/{n}/quic-v1" for n in range(200)),
            "dnsaddr=/memory/1",
        ]
        resolver: Any = Zone(lambda name: texts)
        found = self.successResultOf(
            DNSAddrResolver(
                Clock(), resolver, lambda each: "udp" not in each.names
            ).resolve(Multiaddr("/dnsaddr/a"))
        )
        self.assertEqual(len(found), MAX_ADDRESSES)
        self.assertEqual(found[0], Multiaddr("/memory/1"))

    def test_nested(self) -> None:
        """
        Names stand for names, as those of the public bootstrap peers do; one
        that leads nowhere takes nothing from the others.
        """
        zone = {
            "_dnsaddr.a": [
                f"dnsaddr=/dnsaddr/c{A}",
                f"dnsaddr=/dnsaddr/b{A}",
                f"dnsaddr=/dnsaddr/b{B}",
            ],
            "_dnsaddr.b": [f"dnsaddr=/ip4/1.2.3.4/tcp/1{A}", f"dnsaddr=/memory/1{B}"],
        }
        self.assertEqual(
            self.resolved(f"/dnsaddr/a{A}", zone), [f"/ip4/1.2.3.4/tcp/1{A}"]
        )
        self.assertEqual(self.zone.asked, ["_dnsaddr.a", "_dnsaddr.c", "_dnsaddr.b"])

    def test_depth(self) -> None:
        """
        Four names stand behind each other, and not a fifth.
        """

        def zone(name: str) -> list[str]:
            number = int(name.removeprefix("_dnsaddr."))
            if number == last:
                return [f"dnsaddr=/memory/1{A}"]
            return [f"dnsaddr=/dnsaddr/{number + 1}{A}"]

        last = MAX_DEPTH
        self.assertEqual(self.resolved("/dnsaddr/1", zone), [f"/memory/1{A}"])
        last = MAX_DEPTH + 1
        self.failureResultOf(self.resolve("/dnsaddr/1", zone), NoAddresses)
        self.assertEqual(len(self.zone.asked), MAX_DEPTH)

    def test_loop(self) -> None:
        """
        A name that stands for itself is asked for once.
        """
        zone = {
            "_dnsaddr.a": ["dnsaddr=/dnsaddr/a", "dnsaddr=/dnsaddr/b"],
            "_dnsaddr.b": ["dnsaddr=/dnsaddr/a"],
        }
        self.failureResultOf(self.resolve("/dnsaddr/a", zone), NoAddresses)
        self.assertEqual(self.zone.asked, ["_dnsaddr.a", "_dnsaddr.b"])

    def test_tree(self) -> None:
        """
        Names that stand for ever more names are asked for no more often than
        is allowed, and give no more than is allowed.
        """

        def zone(name: str) -> list[str]:
            return [f"dnsaddr=/dnsaddr/{name}{number}" for number in range(50)] + [
                f"dnsaddr=/dns4/{name}{number}/tcp/1" for number in range(50)
            ]

        self.assertEqual(len(self.resolved("/dnsaddr/a", zone)), MAX_ADDRESSES)
        self.assertEqual(len(self.zone.asked), MAX_LOOKUPS)

    def test_unknown(self) -> None:
        """
        A name that does not exist is named, in words.
        """
        reason = self.failureResultOf(self.resolve("/dnsaddr/a", {}), DNSLookupError)
        self.assertIn("a: there is no such name", str(reason.value))

    def test_failures(self) -> None:
        """
        So is whatever else a resolver fails with.
        """
        problems: list[tuple[Exception, str]] = [
            (error.DNSQueryTimeoutError(1), "no name server has answered"),
            (error.DNSServerError(dns.Message()), "has refused (DNSServerError)"),
            (OSError("no network"), "no network"),
            (ValueError(), "ValueError"),
        ]
        for problem, words in problems:
            resolving = self.resolve("/dnsaddr/a", {"_dnsaddr.a": fail(problem)}.get)
            reason = self.failureResultOf(resolving, DNSLookupError)
            self.assertIn(words, str(reason.value))

    def test_cancel(self) -> None:
        """
        To cancel it is to cancel what was asked, and to ask no more.
        """
        waiting: list[Deferred[Any]] = []

        def zone(name: str) -> Any:
            if name == "_dnsaddr.a":
                return ["dnsaddr=/dnsaddr/b", "dnsaddr=/dnsaddr/c"]
            if name == "_dnsaddr.b":
                return ["dnsaddr=/dnsaddr/d"]
            waiting.append(Deferred())
            return waiting[-1]

        resolving = self.resolve("/dnsaddr/a", zone)
        self.assertNoResult(resolving)
        resolving.cancel()
        self.failureResultOf(resolving, CancelledError)
        self.assertEqual(self.zone.asked, ["_dnsaddr.a", "_dnsaddr.b", "_dnsaddr.c"])
        self.assertTrue(waiting[0].called)
