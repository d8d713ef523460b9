# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A guard for pages of a node against web sites that a browser shows beside them.

A request has to name a host that no DNS answer of a stranger can lead here, and
pages of other origins get nothing.
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
    Return whether a request names a host that no stranger's name in the DNS can
    stand for: localhost, a loopback address, the address at which the request
    has come in, the name of this machine, or a host that the user has named.

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
    Read an address; one that is mapped into IPv6 as what it is.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


class Guarded(Resource):
    """
    Something that is read, by its own origin.

    @cvar contentType: what it is; empty if the answer says so itself.
    @cvar linkable: whether a link of another origin may lead to it.
    @cvar policy: what a browser may do with it, as Content Security Policy.
    """

    isLeaf = True
    contentType = "application/json"
    linkable = False
    policy = "default-src 'none'; frame-ancestors 'none'"

    def __init__(self, hosts: Collection[str] = ()) -> None:
        """
        @param hosts: the hosts, beside this machine's own addresses, by which it may
            be asked for.
        """
        super().__init__()
        self._hosts = hosts

    def render(self, request: Request) -> Any:
        """
        Answer C{GET}, if it is one of ours.
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
