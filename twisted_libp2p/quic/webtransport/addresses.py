# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Addresses of WebTransport: those of QUIC, with C{/webtransport} and the hashes of the
certificates at their end.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.wire import multibase

__all__ = [
    "NAME",
    "WebIPv4Address",
    "WebIPv6Address",
    "certhashes",
    "isWeb",
    "namesCertificate",
    "webAddress",
    "withWeb",
    "withoutWeb",
]

#: The name of its protocol in addresses.
NAME = "webtransport"


class WebIPv4Address(IPv4Address):
    """
    An end of a connection of WebTransport over IPv4.
    """


class WebIPv6Address(IPv6Address):
    """
    An end of a connection of WebTransport over IPv6.
    """


def isWeb(address: IAddress) -> bool:
    """
    Check whether an address is that of an end of a WebTransport connection.
    """
    return isinstance(address, WebIPv4Address | WebIPv6Address)


def webAddress(address: IAddress) -> IAddress:
    """
    Return the address of an end of a connection of WebTransport, by that of UDP.
    """
    six = isinstance(address, IPv6Address)
    kind = WebIPv6Address if six else WebIPv4Address
    made: IAddress = kind("UDP", address.host, address.port)  # type: ignore[attr-defined]
    return made


def withoutWeb(address: Multiaddr) -> Multiaddr:
    """
    Return the address of QUIC in one of WebTransport.
    """
    return Multiaddr(str(address).partition(f"/{NAME}")[0])


def namesCertificate(address: Multiaddr) -> bool:
    """
    Check whether an address is one of WebTransport that can be dialed: it names a
    certificate.
    """
    names = address.names
    return NAME in names and set(names[names.index(NAME) + 1 :]) == {"certhash"}


def certhashes(address: Multiaddr) -> frozenset[bytes]:
    """
    Return the multihashes of certificates that an address names.
    """
    return frozenset(
        multibase.decode(each.value)
        for each in address
        if each.name == "certhash" and each.value is not None
    )


def withWeb(address: Multiaddr, hashes: Iterable[bytes] = ()) -> Multiaddr:
    """
    Return an address of QUIC as one of WebTransport.

    @param hashes: the multihashes of the certificates.
    """
    named = "".join(f"/certhash/{multibase.encode('u', each)}" for each in hashes)
    return Multiaddr(f"{address}/{NAME}{named}")
