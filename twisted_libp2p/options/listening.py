# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses on which a node listens if its user names none.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

__all__ = ["PORT", "defaultAddresses", "freeAddresses"]

#: The port of libp2p, of TCP and of UDP.
PORT = 4001


def defaultAddresses(quic: bool, ipv6: bool | None = None) -> Iterator[str]:
    """
    Return the wildcard addresses of this host, of TCP and QUIC.

    @param quic: whether QUIC can be used.
    @param ipv6: whether this host has IPv6; by default it is tried.
    """
    families = ["/ip4/0.0.0.0"]
    if _hasIPv6() if ipv6 is None else ipv6:
        families.append("/ip6/::")
    for family in families:
        yield f"{family}/tcp/{PORT}"
        if quic:
            yield f"{family}/udp/{PORT}/quic-v1"


def freeAddresses(quic: bool) -> list[str]:
    """
    Return the addresses of a node that dials, and listens only since a hole is punched
    from a port on which it listens.

    @param quic: whether QUIC can be used.
    """
    free = ["/ip4/0.0.0.0/tcp/0"]
    if quic:
        free.append("/ip4/0.0.0.0/udp/0/quic-v1")
    return free


def _hasIPv6() -> bool:
    """
    Return whether this host has IPv6.
    """
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
