# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.mdns.packet}.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.mdns.packet import (
    MAX_KNOWN,
    MAX_PACKET,
    MAX_PEERS,
    MAX_RECORDS,
    SERVICE,
    Advertisement,
    Answer,
    Named,
    Question,
    answer,
    parse,
    question,
    serviceName,
)
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity

PEER = Identity.generate().peerID
LABEL = b"a" * 40
TCP = Multiaddr("/ip4/10.0.0.1/tcp/4001")
QUIC = Multiaddr("/ip4/10.0.0.1/udp/4001/quic-v1")


def advertisement(*addresses: Multiaddr) -> Advertisement:
    """
    Make an advertisement of a peer with these addresses.
    """
    return Advertisement(
        SERVICE,
        LABEL,
        [each.withPeer(PEER) for each in addresses],
        [ip_address("10.0.0.1"), ip_address("fd00::1")],
        4001,
    )


def named(data: bytes) -> tuple[Named, ...]:
    """
    Return the peers in an answer.
    """
    parsed = parse(data)
    assert isinstance(parsed, Answer)
    return parsed.peers


def text(name: bytes, *strings: bytes, ttl: int = 120) -> dns.RRHeader:
    """
    Make a TXT record.
    """
    return dns.RRHeader(name, dns.TXT, dns.IN, ttl, dns.Record_TXT(*strings, ttl=ttl))


def message(*records: dns.RRHeader, additional: bool = True) -> bytes:
    """
    Make an answer of these records.
    """
    made = dns.Message(answer=1)
    if additional:
        made.additional = list(records)
    else:
        made.answers = list(records)
    return made.toStr()


def address(port: int = 1, peer: object = PEER) -> bytes:
    """
    Return the string of an address.
    """
    return f"dnsaddr=/ip4/10.0.0.1/tcp/{port}/p2p/{peer}".encode()


class AnswerTests(SynchronousTestCase):
    """
    Answers are made, and read.
    """

    def test_round(self) -> None:
        """
        An answer is read as it was written.
        """
        instance = LABEL + b"." + SERVICE
        self.assertEqual(
            named(answer(advertisement(TCP, QUIC))),
            (Named(instance, PEER, (TCP, QUIC), 120),),
        )
        (gone,) = named(answer(advertisement(TCP), 0))
        self.assertEqual((gone.peer, gone.ttl), (PEER, 0))

    def test_records(self) -> None:
        """
        An answer has the records that go-libp2p and python-zeroconf need: one TXT
        record with all addresses, SRV, A and AAAA.
        """
        made = dns.Message()
        made.fromStr(answer(advertisement(TCP, QUIC)))
        self.assertTrue(made.answer)
        self.assertEqual(made.queries, [])
        instance = LABEL + b"." + SERVICE
        pointers: list[tuple[Any, Any]] = [
            (each, each.payload) for each in made.answers
        ]
        self.assertEqual(
            [(each.name.name, target.name.name) for each, target in pointers],
            [
                (b"_services._dns-sd._udp.local", SERVICE),
                (SERVICE, instance),
            ],
        )
        self.assertEqual(
            [(each.type, each.name.name) for each in made.additional],
            [
                (dns.TXT, instance),
                (dns.SRV, instance),
                (dns.A, LABEL + b".local"),
                (dns.AAAA, LABEL + b".local"),
            ],
        )
        contents: list[Any] = [each.payload for each in made.additional]
        txt, srv, a, _ = contents
        self.assertEqual(len(txt.data), 2)
        self.assertEqual(srv.port, 4001)
        self.assertEqual(srv.target.name, LABEL + b".local")
        self.assertEqual(a.dottedQuad(), "10.0.0.1")

    def test_size(self) -> None:
        """
        As many addresses are named as fit a frame of Ethernet.
        """
        many = [Multiaddr(f"/ip4/10.0.0.1/tcp/{port}") for port in range(1, 100)]
        data = answer(advertisement(*many))
        self.assertLess(len(data), 1452)
        (found,) = named(data)
        self.assertEqual(list(found.addresses), many[: len(found.addresses)])
        self.assertGreater(len(found.addresses), 5)

    def test_long(self) -> None:
        """
        An address that does not fit a string is left out.
        """
        long = Multiaddr("/dns4/" + "a" * 230 + "/tcp/1")
        (found,) = named(answer(advertisement(long, TCP)))
        self.assertEqual(found.addresses, (TCP,))

    def test_sections(self) -> None:
        """
        A TXT record is read in both sections: js-libp2p answers with it.
        """
        name = b"x." + SERVICE
        for additional in (True, False):
            (found,) = named(message(text(name, address()), additional=additional))
            self.assertEqual(found.peer, PEER)

    def test_pointed(self) -> None:
        """
        A name without the service counts if a pointer leads to it: rust-libp2p.
        """
        pointer = dns.RRHeader(
            SERVICE, dns.PTR, dns.IN, 360, dns.Record_PTR(b"Rust", 360)
        )
        made = dns.Message(answer=1)
        made.answers = [pointer]
        made.additional = [text(b"rust", address()), text(b"other", address(2))]
        (found,) = named(made.toStr())
        self.assertEqual(found.name, b"rust")
        self.assertEqual(found.addresses, (Multiaddr("/ip4/10.0.0.1/tcp/1"),))

    def test_numbered(self) -> None:
        """
        Numbered keys are read: py-libp2p.
        """
        second = address(2).replace(b"dnsaddr=", b"dnsaddr2=")
        (found,) = named(message(text(b"x." + SERVICE, address(1), second)))
        self.assertEqual(len(found.addresses), 2)

    def test_several(self) -> None:
        """
        The records of one peer are joined; there are only a few peers.
        """
        name = b"x." + SERVICE
        (found,) = named(message(text(name, address(1)), text(name, address(2))))
        self.assertEqual(len(found.addresses), 2)
        others = [Identity.generate().peerID for _ in range(MAX_PEERS + 1)]
        found_all = named(message(text(name, *(address(1, each) for each in others))))
        self.assertEqual([each.peer for each in found_all], others[:MAX_PEERS])

    def test_useless(self) -> None:
        """
        Strings without an address, or without a peer, are left out.
        """
        name = b"x." + SERVICE
        strings = (
            b"",
            b"dnsaddr=",
            b"dnsaddr=/ip4/10.0.0.1/tcp/1",
            b"dnsaddr=/ip4/300.0.0.1/tcp/1/p2p/" + str(PEER).encode(),
            b"dnsaddr=\xff",
            b"other=" + address(),
        )
        self.assertEqual(named(message(text(name, *strings))), ())
        self.assertEqual(named(message(text(b"x._http._tcp.local", address()))), ())

    def test_private(self) -> None:
        """
        The peers of a private network have a service of their own.
        """
        service = serviceName("00ff")
        self.assertEqual(service, b"_p2p-00ff._udp.local")
        data = message(text(b"x." + service, address()))
        self.assertEqual(named(data), ())
        parsed = parse(data, service)
        assert isinstance(parsed, Answer)
        self.assertEqual(len(parsed.peers), 1)


class QuestionTests(SynchronousTestCase):
    """
    Questions are made, and read.
    """

    def asked(self, data: bytes) -> bool:
        """
        Return whether we answer a question.
        """
        parsed = parse(data)
        assert isinstance(parsed, Question)
        return parsed.wants(SERVICE, LABEL)

    def test_wanted(self) -> None:
        """
        A question for the service, for all services, or for ourselves is answered, in
        upper case too.
        """
        for name in (
            SERVICE,
            SERVICE.upper(),
            b"_services._dns-sd._udp.local",
            LABEL + b"." + SERVICE,
            LABEL + b".local",
        ):
            made = dns.Message()
            made.addQuery(name, dns.ALL_RECORDS, dns.IN)
            self.assertTrue(self.asked(made.toStr()), name)
        self.assertFalse(self.asked(question(b"_http._tcp.local")))

    def test_known(self) -> None:
        """
        An asker that knows us gets no answer; the number of known names is bounded.
        """
        instance = LABEL + b"." + SERVICE
        self.assertTrue(self.asked(question(SERVICE, 7, [(b"x." + SERVICE, 9)])))
        self.assertFalse(self.asked(question(SERVICE, 7, [(instance, 90)])))
        many = [(b"x%d" % each, 9) for each in range(MAX_KNOWN + 1)]
        parsed = parse(question(SERVICE, 0, many))
        assert isinstance(parsed, Question)
        self.assertEqual(len(parsed.known), MAX_KNOWN)


class BadInputTests(SynchronousTestCase):
    """
    Other packets are refused.
    """

    def test_refused(self) -> None:
        """
        Too large, too many records, cut off, names that lead in a circle.
        """
        loop = bytes(4) + b"\0\1" + bytes(6) + b"\xc0\x0c\0\x0c\0\1"
        for data in (
            b"",
            b"\0" * 11,
            bytes(MAX_PACKET + 1),
            bytes(6) + (MAX_RECORDS + 1).to_bytes(2, "big") + bytes(4),
            loop,
        ):
            self.assertRaises(InvalidInput, parse, data)

    def test_cut(self) -> None:
        """
        A packet that ends early is refused, or has fewer records.
        """
        data = answer(advertisement(TCP, QUIC))
        for size in range(len(data)):
            try:
                parsed = parse(data[:size])
            except InvalidInput:
                continue
            if isinstance(parsed, Answer):
                self.assertLessEqual(len(parsed.peers), 1)
