# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The questions and answers of multicast DNS, without I/O.

An answer has the form that go-libp2p, rust-libp2p, js-libp2p and py-libp2p all read:
one TXT record with all addresses, a SRV record, and the IP addresses of the interface.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from typing import Any, Final

from twisted.names import dns

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput, InvalidMultiaddr
from twisted_libp2p.identity import PeerID

__all__ = [
    "MAX_PACKET",
    "SERVICE",
    "TTL",
    "Advertisement",
    "Answer",
    "Named",
    "Question",
    "answer",
    "parse",
    "question",
    "serviceName",
]

#: The name of the service that all peers of the public network share.
SERVICE: Final = b"_p2p._udp.local"

#: The name that lists all services of a network (RFC 6763, section 9).
_SERVICES: Final = b"_services._dns-sd._udp.local"

#: Seconds for which our answers are valid.
TTL: Final = 120

#: Maximum size of a received packet, in bytes (RFC 6762, section 17).
MAX_PACKET: Final = 9000

#: Maximum number of questions and records in a received packet.
MAX_RECORDS: Final = 128

#: Maximum number of peers in a received packet.
MAX_PEERS: Final = 4

#: Maximum number of strings in a TXT record that are read.
MAX_STRINGS: Final = 64

#: Maximum size of the addresses that an answer names, in bytes: the whole packet fits
#: one Ethernet frame.
MAX_ADDRESSES_SIZE: Final = 1000

#: Maximum number of known peers that a question names.
MAX_KNOWN: Final = 16

_LONGEST_STRING: Final = 255
_LONGEST_NAME: Final = 255

# The bit of a class that replaces all records of the name.
_FLUSH: Final = 0x8000
_IN: Final = dns.IN

# Named dnsaddr2 and so on by py-libp2p: in its library equal keys hide each other.
_ADDRESS: Final = re.compile(rb"dnsaddr\d{0,3}=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Advertisement:
    """
    Everything that an answer says about this node on one interface.

    @ivar service: the name of the service.
    @ivar label: the random name of this node.
    @ivar addresses: its addresses, with its peer id, the most useful first.
    @ivar hosts: the IP addresses of the interface.
    @ivar port: the port of its first address.
    """

    service: bytes
    label: bytes
    addresses: Sequence[Multiaddr]
    hosts: Sequence[IPv4Address | IPv6Address]
    port: int

    @property
    def instance(self) -> bytes:
        """
        The full name of this node.
        """
        return self.label + b"." + self.service


@dataclass(frozen=True, slots=True)
class Question:
    """
    A received question.

    @ivar names: the names that it asks for, in lower case.
    @ivar known: the names of peers that the asker knows already, in lower case.
    """

    names: frozenset[bytes]
    known: frozenset[bytes]

    def wants(self, service: bytes, label: bytes) -> bool:
        """
        Return whether a node has to answer.

        @param service: the name of the service.
        @param label: the name of the node.
        """
        instance = label + b"." + service
        if instance in self.known:
            return False
        ours = (service, instance, label + b".local", _SERVICES)
        return not self.names.isdisjoint(ours)


@dataclass(frozen=True, slots=True)
class Named:
    """
    A peer in a received answer.

    @ivar name: the name under which it answers, in lower case.
    @ivar peer: its id.
    @ivar addresses: its addresses, without its id.
    @ivar ttl: the seconds for which this is valid; 0 if it says goodbye.
    """

    name: bytes
    peer: PeerID
    addresses: tuple[Multiaddr, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A received answer.

    @ivar peers: the peers that it names.
    """

    peers: tuple[Named, ...]


def serviceName(fingerprint: str | None = None) -> bytes:
    """
    Return the name of the service.

    @param fingerprint: the fingerprint of a private network, whose peers find each
        other only; None for the public one.
    """
    if fingerprint is None:
        return SERVICE
    return b"_p2p-" + fingerprint.encode("ascii") + b"._udp.local"


def question(
    service: bytes, number: int = 0, known: Iterable[tuple[bytes, int]] = ()
) -> bytes:
    """
    Make a question for all peers.

    @param number: 16 bits by which the asker knows its own question again.
    @param known: the names of peers that need not answer, and for how many seconds
        they are known.
    """
    message = dns.Message(number, maxSize=0)
    message.addQuery(service, dns.PTR, _IN)
    for name, ttl in list(known)[:MAX_KNOWN]:
        message.answers.append(_pointer(service, name, ttl))
    return message.toStr()


def answer(about: Advertisement, ttl: int = TTL) -> bytes:
    """
    Make an answer.

    @param ttl: the seconds for which it is valid; 0 says goodbye.
    """
    message = dns.Message(answer=1, auth=True, maxSize=0)
    host = about.label + b".local"
    message.answers = [
        _pointer(_SERVICES, about.service, ttl),
        _pointer(about.service, about.instance, ttl),
    ]
    # The last peer of a host with several must not remove the service itself.
    if not ttl:
        del message.answers[0]
    cls = _IN | _FLUSH
    text = dns.Record_TXT(*_strings(about.addresses), ttl=ttl)
    service = dns.Record_SRV(0, 0, about.port, host, ttl)
    message.additional = [
        dns.RRHeader(about.instance, dns.TXT, cls, ttl, text),
        dns.RRHeader(about.instance, dns.SRV, cls, ttl, service),
        *(
            dns.RRHeader(host, dns.A, cls, ttl, dns.Record_A(str(each), ttl))
            if each.version == 4
            else dns.RRHeader(host, dns.AAAA, cls, ttl, dns.Record_AAAA(str(each), ttl))
            for each in about.hosts
        ),
    ]
    return message.toStr()


def _pointer(name: bytes, target: bytes, ttl: int) -> dns.RRHeader:
    return dns.RRHeader(name, dns.PTR, _IN, ttl, dns.Record_PTR(target, ttl))


def _strings(addresses: Iterable[Multiaddr]) -> Iterator[bytes]:
    """
    Write as many addresses as fit.
    """
    left = MAX_ADDRESSES_SIZE
    for each in addresses:
        string = b"dnsaddr=" + str(each).encode("utf-8")
        if len(string) <= min(_LONGEST_STRING, left):
            left -= len(string) + 1
            yield string


class _Message(dns.Message):
    """
    A received packet.  The content of most records is not parsed: it is not needed, and
    Twisted's parsers log some of their errors.
    """

    def lookupRecordType(self, type: int) -> Callable[..., Any]:
        """
        Return the class that parses the content of a record.
        """
        return dns.Record_PTR if type == dns.PTR else dns.UnknownRecord


def parse(data: bytes, service: bytes = SERVICE) -> Question | Answer:
    """
    Parse a packet.

    @param data: the packet.
    @param service: the name of the service whose peers are wanted.
    @raise InvalidInput: it is not a packet of DNS, or is too large.
    """
    if len(data) > MAX_PACKET:
        raise InvalidInput(f"{len(data)} bytes are more than {MAX_PACKET}")
    counts = [int.from_bytes(data[at : at + 2], "big") for at in (4, 6, 8, 10)]
    if sum(counts) > MAX_RECORDS:
        raise InvalidInput(f"{sum(counts)} records are more than {MAX_RECORDS}")
    message = _Message()
    try:
        message.fromStr(data)
    except (EOFError, ValueError) as error:
        raise InvalidInput(f"not a message of DNS: {error}") from None
    if message.answer:
        records = [*message.answers, *message.additional]
        return Answer(tuple(islice(_named(records, service), MAX_PEERS)))
    return Question(
        frozenset(each.name.name.lower() for each in message.queries),
        frozenset(target for _, target in _pointers(message.answers)),
    )


def _pointers(records: Iterable[dns.RRHeader]) -> Iterator[tuple[bytes, bytes]]:
    """
    Find the names of PTR records, and the names to which they lead, in lower case.
    """
    for each in records:
        # The types of Twisted do not know of the name.
        payload: Any = each.payload
        if each.type == dns.PTR:
            yield each.name.name.lower(), payload.name.name.lower()


def _named(records: Iterable[dns.RRHeader], service: bytes) -> Iterator[Named]:
    """
    Find the peers in the records of an answer.  A record counts if a pointer of the
    service leads to its name, as in rust-libp2p, or if its name ends like the service.
    """
    records = list(records)
    targets = {target for name, target in _pointers(records) if name == service}
    found: dict[tuple[bytes, PeerID], tuple[dict[Multiaddr, None], int]] = {}
    for each in records:
        name = each.name.name.lower()
        if each.type != dns.TXT or not isinstance(each.payload, dns.UnknownRecord):
            continue
        if len(name) > _LONGEST_NAME:
            continue
        if name not in targets and not name.endswith(b"." + service):
            continue
        for address in _addresses(each.payload.data):
            peer = address.peerID
            if peer is not None:
                named, _ = found.setdefault((name, peer), ({}, each.ttl))
                named[address.withoutPeer()] = None
    for (name, peer), (addresses, ttl) in found.items():
        yield Named(name, peer, tuple(addresses), ttl)


def _addresses(content: bytes) -> Iterator[Multiaddr]:
    """
    Read the addresses in the content of a TXT record; others are left out.
    """
    for _ in range(MAX_STRINGS):
        if not content:
            return
        size = content[0]
        found = _ADDRESS.fullmatch(content[1 : 1 + size])
        content = content[1 + size :]
        if found is not None:
            try:
                yield Multiaddr(found[1].decode("utf-8"))
            except (InvalidMultiaddr, UnicodeDecodeError):
                continue
