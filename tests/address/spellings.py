# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The many ways to write an IPv4 address so that it does not look like one.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from hypothesis import strategies as st

from twisted_libp2p.address import Multiaddr

__all__ = ["NEAR", "farIPv4", "literals", "names", "nearIPv4"]

#: Networks to which nobody outside of them may lead us, and those of no host.
NEAR = (
    ("127.0.0.0", 8),
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("100.64.0.0", 10),
    ("169.254.0.0", 16),
    ("0.0.0.0", 8),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
)


def _within(network: tuple[str, int]) -> st.SearchStrategy[IPv4Address]:
    host, prefix = network
    size = 1 << (32 - prefix)
    first = int(IPv4Address(host))
    return st.integers(first, first + size - 1).map(IPv4Address)


#: An address of one of these.
nearIPv4 = st.sampled_from(NEAR).flatmap(_within)

#: An address of a host somewhere in the world.
farIPv4 = st.sampled_from(
    (("8.8.0.0", 16), ("1.1.1.0", 24), ("93.184.0.0", 16))
).flatmap(_within)


def _inverted(ip: IPv4Address) -> bytes:
    return bytes(each ^ 0xFF for each in ip.packed)


_IPV6: tuple[Callable[[IPv4Address], bytes], ...] = (
    lambda ip: bytes(10) + b"\xff\xff" + ip.packed,
    lambda ip: b"\0\x64\xff\x9b" + bytes(8) + ip.packed,
    lambda ip: b"\x20\x02" + ip.packed + bytes(10),
    lambda ip: b"\x20\x02" + ip.packed + b"\0\1" + bytes(7) + b"\1",
    lambda ip: b"\x20\x01\0\0\x08\x08\x08\x08\0\0\x12\x34" + _inverted(ip),
    lambda ip: (
        b"\x20\x01\0\0"
        + ip.packed
        + b"\0\0\x12\x34"
        + _inverted(IPv4Address("8.8.8.8"))
    ),
    lambda ip: bytes(8) + b"\xff\xff\0\0" + ip.packed,
    lambda ip: b"\x26\x06\x47" + bytes(5) + b"\0\0\x5e\xfe" + ip.packed,
    lambda ip: b"\x26\x06\x47" + bytes(5) + b"\2\0\x5e\xfe" + ip.packed,
    lambda ip: b"\0\x64\xff\x9b\0\1" + bytes(6) + ip.packed,
)


def _ip6(data: bytes, zone: bool) -> Multiaddr:
    encoded = b"\x29" + data
    return Multiaddr.fromBytes((b"\x2a\x04eth0" if zone else b"") + encoded)


def literals(ip: IPv4Address) -> st.SearchStrategy[Multiaddr]:
    """
    Give multiaddrs, without a port, that lead to an address.
    """
    return st.one_of(
        st.just(Multiaddr(f"/ip4/{ip}")),
        st.builds(
            _ip6, st.sampled_from(_IPV6).map(lambda form: form(ip)), st.booleans()
        ),
    )


def names(ip: IPv4Address) -> st.SearchStrategy[str]:
    """
    Give host names that the system's resolver reads as an address.
    """
    a, b, c, d = ip.packed
    number = int(ip)
    return st.builds(
        str.__add__,
        st.sampled_from(
            (
                str(ip),
                str(number),
                hex(number),
                hex(number).upper(),
                "0" + oct(number)[2:],
                f"{a}.{number & 0xFFFFFF}",
                f"{a}.{b}.{number & 0xFFFF}",
                f"0x{a:x}.{b}.{c}.0{d:o}",
                f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
                str(ip).replace(".", "\u3002"),
                str(ip).replace(".", "\uff0e"),
                "".join(chr(0xFF10 + int(e)) if e.isdigit() else e for e in str(ip)),
                f"::ffff:{ip}",
                f"64:ff9b::{ip}",
            )
        ),
        st.sampled_from(("", ".", "..")),
    )
