# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Packets of DNS, and a socket that sends them to a local network.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

__all__ = [
    "PTR",
    "SERVICE",
    "TXT",
    "asked",
    "name",
    "named",
    "neighbour",
    "packet",
    "record",
]

PTR, TXT = 12, 16
IN = 1

SERVICE = "_p2p._udp.local"
GROUP = ("224.0.0.251", 5353)


def name(text: str) -> bytes:
    """
    Write a name.
    """
    labels = (part.encode() for part in text.split("."))
    return b"".join(bytes([len(each)]) + each for each in labels) + b"\0"


def record(owner: str, kind: int, content: bytes, ttl: int = 120) -> bytes:
    """
    Write a record.
    """
    head = struct.pack("!HHIH", kind, IN, ttl & 0xFFFFFFFF, len(content))
    return name(owner) + head + content


def packet(flags: int, questions: list[bytes], answers: list[bytes]) -> bytes:
    """
    Write a packet.
    """
    counts = len(questions), len(answers)
    head = struct.pack("!HHHHHH", 0, flags, *counts, 0, 0)
    return head + b"".join(questions + answers)


def asked() -> bytes:
    """
    Write a question for all peers.
    """
    return packet(0, [name(SERVICE) + struct.pack("!HH", PTR, IN)], [])


def named(label: str, addresses: Iterable[str], ttl: int = 120) -> bytes:
    """
    Write an answer that names a peer at some addresses.
    """
    owner = f"{label}.{SERVICE}"
    strings = [f"dnsaddr={each}".encode() for each in addresses]
    content = b"".join(bytes([len(each)]) + each for each in strings)
    answers = [
        record(SERVICE, PTR, name(owner), ttl),
        record(owner, TXT, content, ttl),
    ]
    return packet(0x8400, [], answers)


def neighbour(source: str) -> socket.socket:
    """
    Open a socket that sends to all machines of a link.

    @param source: its address.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((source, 0))
    own = socket.inet_aton(source)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    opened.connect(GROUP)
    return opened
