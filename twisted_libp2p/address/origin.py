# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The one filter of addresses that peers name: no peer can make us dial an address
that we would not dial by ourselves.

Code that stores or dials addresses of peers (identify, relays, peer exchange, a DHT,
AutoNAT) asks L{Origin.refusal}; the dialer asks again just before it connects, and for
each IP address to which a name leads.
"""

from __future__ import annotations

import socket
import unicodedata
from enum import IntEnum
from functools import lru_cache

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.address.scope import Scope, hostOfText, ipsOfHost

__all__ = ["HOST_NAMES", "LOCAL", "Origin", "spelledIP"]

#: The protocols of host names that have to be resolved to IP addresses.
HOST_NAMES = ("dns", "dns4", "dns6")

#: The protocols whose addresses do not leave this host.
LOCAL = ("memory", "unix")

#: The addresses at which clouds serve the credentials of a machine to that machine
#: (Amazon, Google, Azure and others; Alibaba; Amazon by IPv6).  No peer is there.
METADATA = frozenset(
    hostOfText(text) for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")
)


#: Size of an address in bytes up to which its judgement is kept.
_USUAL = 128


class Origin(IntEnum):
    """
    The place of the peer, or of the user, that has named an address.  The farther
    away this place is, the fewer of our own networks the address may lead into.
    """

    #: A peer somewhere in the world, or at an unknown place.
    PUBLIC = 0
    #: A peer in a private network, or on a link, of ours.
    NETWORK = 1
    #: A peer on this host.
    HOST = 2
    #: Our own user or application.
    OWN = 3

    @classmethod
    def of(cls, remote: Multiaddr | None) -> Origin:
        """
        Return the origin of the addresses that a peer names.

        @param remote: the remote address of the connection to the peer; None if
            it has no such form.
        """
        # A peer that uses a relay may be anywhere.
        if remote is None or not remote or remote.relayed:
            return cls.PUBLIC
        if remote.first in LOCAL:
            return cls.HOST
        return _ORIGINS.get(Scope.of(remote), cls.PUBLIC)

    def refusal(self, address: Multiaddr) -> str | None:
        """
        Explain why an address of this origin must not be dialed.

        A name is judged by its spelling only: each address to which it leads has to be
        judged again.

        @return: one line; None if it may be dialed.
        """
        if self is Origin.OWN or not address:
            return None
        judge = _refusal if len(address.toBytes()) <= _USUAL else _judge
        return judge(self, address)


def _judge(origin: Origin, address: Multiaddr) -> str | None:
    """
    Explain why an address of an origin must not be dialed; None if it may be.
    """
    first = address.first
    host = address.host
    if _noPort(address):
        return f"{address} has port 0, which nobody listens on"
    if host is None and first in HOST_NAMES:
        host = spelledIP(address.value(first) or "")
        if host is None:
            return None
    if host is None:
        scope = Scope.LOOPBACK if first in LOCAL else Scope.PUBLIC
    else:
        scope = Scope.ofHost(host)
        if scope is Scope.UNKNOWN:
            return f"{address} is not the address of one host"
        if any(ip.packed in METADATA for ip in ipsOfHost(host)):
            return f"{address} serves this machine's credentials, and is no peer"
    if origin < _FARTHEST[scope]:
        return (
            f"{address} is a {scope.value} address, which a peer outside of that"
            " network may not name"
        )
    return None


#: A DHT judges the same addresses in each answer.
_refusal = lru_cache(4096)(_judge)


def _noPort(address: Multiaddr) -> bool:
    """
    Check whether an address has port 0.
    """
    # An address with port 0 has two bytes 0 in its binary form, as few others do.
    return b"\0\0" in address.toBytes() and any(
        each.name in _PORTS and each.value == "0" for each in address
    )


_PORTS = ("tcp", "udp")

_ORIGINS = {
    Scope.LOOPBACK: Origin.HOST,
    Scope.LINK_LOCAL: Origin.NETWORK,
    Scope.PRIVATE: Origin.NETWORK,
}

# The farthest origin that may name an address of each scope.
_FARTHEST = {
    Scope.PUBLIC: Origin.PUBLIC,
    Scope.PRIVATE: Origin.NETWORK,
    Scope.LINK_LOCAL: Origin.NETWORK,
    Scope.LOOPBACK: Origin.HOST,
}


def spelledIP(name: str) -> bytes | None:
    """
    Find the IP address that a host name spells: C{127.1}, C{2130706433} and
    C{0x7f.0.0.1} are 127.0.0.1 to the system's resolver, and so is C{localhost}.

    @return: 4 or 16 bytes; None for any other name.
    """
    text = unicodedata.normalize("NFKC", name).translate(_DOTS).rstrip(".").lower()
    if text == "localhost" or text.endswith(".localhost"):
        return hostOfText("127.0.0.1")
    try:
        return hostOfText(text.partition("%")[0])
    except ValueError:
        pass
    try:
        return socket.inet_aton(text)
    except (OSError, UnicodeError, ValueError):
        return None


# The full stops of IDNA (RFC 3490, section 3.1) that the normalisation leaves.
_DOTS = {0x3002: "."}
