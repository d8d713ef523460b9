# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Addresses of WebRTC-direct: a host, a UDP port, C{/webrtc-direct}, and the hash of the
certificate.
"""

from __future__ import annotations

from twisted.internet.interfaces import IAddress

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.quic.addresses import fits as fitsQuic
from twisted_libp2p.quic.addresses import udpAddress
from twisted_libp2p.wire import multibase

__all__ = ["NAME", "canDial", "canListen", "rtcAddress", "socketAddress", "withHash"]

#: The name of the protocol in addresses.
NAME = "webrtc-direct"

_QUIC = "quic-v1"
_HASH = "certhash"


def socketAddress(address: Multiaddr) -> Multiaddr:
    """
    Return the address of QUIC at the same socket.
    """
    return Multiaddr(f"{str(address).partition(f'/{NAME}')[0]}/{_QUIC}")


def canDial(address: Multiaddr) -> bool:
    """
    Check whether an address is one of WebRTC-direct, with the hash of a certificate.
    """
    names = address.names
    if NAME not in names:
        return False
    after = names[names.index(NAME) + 1 :]
    return set(after) == {_HASH} and fitsQuic(socketAddress(address))


def canListen(address: Multiaddr) -> bool:
    """
    Check whether an address is that of a socket for WebRTC-direct.  Hashes are ignored:
    they are those of certificates that it may have had.
    """
    names = address.names
    after = names[3:]
    return (
        names[0:1] in (("ip4",), ("ip6",))
        and names[1:3] == ("udp", NAME)
        and not set(after) - {_HASH}
    )


def rtcAddress(address: IAddress) -> Multiaddr | None:
    """
    Translate a UDP address of Twisted.
    """
    found = udpAddress(address)
    return None if found is None else ofSocket(found)


def ofSocket(address: Multiaddr) -> Multiaddr:
    """
    Return the address of WebRTC-direct at the socket of an address of QUIC.
    """
    return Multiaddr(f"{str(address).removesuffix(f'/{_QUIC}')}/{NAME}")


def withHash(address: Multiaddr, multihash: bytes) -> Multiaddr:
    """
    Return an address of WebRTC-direct with the hash of its certificate.
    """
    return Multiaddr(f"{address}/{_HASH}/{multibase.encode('u', multihash)}")
