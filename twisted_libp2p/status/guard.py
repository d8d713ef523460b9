# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The guard of a node's pages against other web sites in the same browser.

A request has to name a host that no DNS answer of a stranger can point at this node,
and pages of other origins get nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from twisted.web.http import FORBIDDEN, NOT_ALLOWED
from twisted.web.resource import Resource
from twisted.web.server import Request

__all__ = ["Guarded", "isOurs", "refuse"]

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def isOurs(request: Request, hosts: Collection[str] = ()) -> bool:
    """
    Return whether a request names a host that no DNS name of a stranger can replace:
    localhost, a loopback address, the local address of the request, the name of this
    machine, or a host that the user has named.

    @param hosts: the hosts that the user has named.
    """
    header = request.getHeader("host") or ""
    name, _, port = header.rpartition(":")
    if not name or not port.isdecimal():
        name = header
    name = name.removeprefix("[").removesuffix("]").lower()
    if not name:
        return False
    if name in ("localhost", socket.gethostname().lower()):
        return True
    if name in (each.removeprefix("[").removesuffix("]").lower() for each in hosts):
        return True
    try:
        address = _unmapped(name)
        return address.is_loopback or address == _unmapped(request.getHost().host)
    except (AttributeError, ValueError):
        return False


def _unmapped(text: str) -> IPv4Address | IPv6Address:
    """
    Read an address; an IPv4 address that is mapped into IPv6 as IPv4.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


class Guarded(Resource):
    """
    A resource that only its own origin may read.

    @cvar contentType: its type; empty if C{answer} sets it.
    @cvar linkable: whether a link of another origin may lead to it.
    @cvar policy: its Content Security Policy.
    """

    isLeaf = True
    contentType = "application/json"
    linkable = False
    policy = "default-src 'none'; frame-ancestors 'none'"

    def __init__(self, hosts: Collection[str] = ()) -> None:
        """
        Make the resource.

        @param hosts: names of hosts that requests may use, as well as this machine's
            own addresses.
        """
        super().__init__()
        self._hosts = hosts

    def render(self, request: Request) -> Any:
        """
        Answer C{GET}, if the request passes the guard.
        """
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        request.setHeader("Content-Security-Policy", self.policy)
        if request.method != b"GET":
            request.setHeader("Allow", "GET")
            return refuse(request, NOT_ALLOWED, "GET is all there is")
        if not isOurs(request, self._hosts):
            return refuse(
                request,
                FORBIDDEN,
                "ask for localhost, or for the address that this is bound to;"
                " --page-host allows another name",
            )
        origin = request.getHeader("sec-fetch-site")
        if not self.linkable and origin not in (None, "none", "same-origin"):
            return refuse(request, FORBIDDEN, "not for pages of other origins")
        if self.contentType:
            request.setHeader("Content-Type", f"{self.contentType}; charset=utf-8")
        return self.answer(request)

    def answer(self, request: Request) -> Any:
        """
        Answer a request that has passed the guard.

        @return: the body, or C{NOT_DONE_YET}.
        """
        raise NotImplementedError


def refuse(request: Request, code: int, why: str) -> bytes:
    """
    Answer with an error.
    """
    request.setResponseCode(code)
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    return f"{why}\n".encode()
