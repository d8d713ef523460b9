# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The search for an Internet Gateway Device (SSDP, UPnP Device Architecture 1.1, 1.3).
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final
from urllib.parse import urlsplit

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["GROUP", "MAX_URL", "NAME", "PORT", "location", "onlyAt", "searches"]

NAME: Final = "SSDP"

#: The multicast address and the port that devices listen on.
GROUP: Final = "239.255.255.250"
PORT: Final = 1900

#: Seconds within which a device is asked to answer.
PATIENCE: Final = 1

#: Maximum number of characters of a URL.
MAX_URL: Final = 1024

#: The devices that are searched for.  A device of version 2 has to answer a search for
#: version 1, and not all do.
_TARGETS: Final = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
)


def searches() -> list[bytes]:
    """
    Return the datagrams of one search.
    """
    return [
        (
            f"M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}:{PORT}\r\n"
            f'MAN: "ssdp:discover"\r\nMX: {PATIENCE}\r\nST: {each}\r\n\r\n'
        ).encode()
        for each in _TARGETS
    ]


def location(data: bytes) -> str:
    """
    Read the answer of a device.

    @return: the URL of its description.
    @raise ProtocolViolation: the datagram is not such an answer.
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    if first.split(" ", 2)[:2] not in (["HTTP/1.1", "200"], ["HTTP/1.0", "200"]):
        raise ProtocolViolation(NAME, "not the answer of a device")
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() == "location":
            return value.strip()
    raise ProtocolViolation(NAME, "an answer without a location")


def onlyAt(url: str, gateway: IPv4Address) -> str:
    """
    Check that a URL leads to the gateway, and nowhere else.

    @return: the URL.
    @raise ProtocolViolation: it leads elsewhere, or is not a URL of HTTP.
    """
    try:
        parts = urlsplit(url)
        elsewhere = (
            len(url) > MAX_URL
            or not url.isascii()
            or not url.isprintable()
            or " " in url
            or parts.scheme != "http"
            or parts.hostname != str(gateway)
            or "@" in parts.netloc
            or not (parts.port is None or parts.port)
        )
    except ValueError:
        elsewhere = True
    if elsewhere:
        raise ProtocolViolation(NAME, f"{url[:MAX_URL]} is not at {gateway}")
    return url
