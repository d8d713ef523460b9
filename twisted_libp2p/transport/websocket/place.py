# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The multiaddrs of WebSockets: C{/ws}, C{/wss}, C{/tls/ws} and C{/tls/sni/NAME/ws}, after
which C{/http-path/...} may follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from twisted_libp2p.address import Multiaddr

__all__ = ["Place"]

_FORM = re.compile(
    r"(?P<host>ip4|ip6|ip6zone/ip6|dns|dns4|dns6)(?P<port>/tcp)?"
    r"/(?P<kind>ws|wss|tls/ws|tls/sni/ws)(?P<path>/http-path)?"
)

# The characters that a path may have as they are (RFC 3986, section 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;=-._~"

_SECURE_PORT, _PLAIN_PORT = 443, 80


@dataclass(frozen=True, slots=True)
class Place:
    """
    A WebSocket, taken from its multiaddr.

    @ivar below: the address of its TCP port.
    @ivar kind: the rest of the multiaddr, after the port.
    @ivar secure: whether TLS is between both.
    @ivar host: the name that the server is asked for: that in C{/sni}, or the host.
    @ivar port: the number of the TCP port; without one in the multiaddr 443 with TLS,
        and 80 without.
    @ivar path: the path of the request, with percent signs where they are needed; None
        if the multiaddr has none.
    """

    below: Multiaddr
    kind: Multiaddr
    secure: bool
    host: str
    port: int
    path: str | None

    @classmethod
    def of(cls, address: Multiaddr) -> Place | None:
        """
        Read a multiaddr.

        @return: None if it is not that of a WebSocket.
        """
        form = _FORM.fullmatch("/".join(address.names))
        if form is None:
            return None
        parts = list(address)
        hosts = form["host"].count("/") + 1
        secure = form["kind"] != "ws"
        port = (
            int(parts[hosts].value or 0)
            if form["port"]
            else (_SECURE_PORT if secure else _PLAIN_PORT)
        )
        below = Multiaddr(
            "".join(f"/{each.name}/{each.value}" for each in parts[:hosts])
            + f"/tcp/{port}"
        )
        kind = address
        for _ in range(hosts + bool(form["port"])):
            kind = kind.withoutFirst()
        path = None
        if form["path"]:
            text = quote_from_bytes(parts[-1].data, safe=_PATH_CHARACTERS)
            path = text if text.startswith("/") else f"/{text}"
        return cls(
            below,
            kind,
            secure,
            kind.value("sni") or parts[hosts - 1].value or "",
            port,
            path,
        )
