# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The name of a server in its multiaddr, for TLS.
"""

from __future__ import annotations

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr

__all__ = ["withServerName"]


def withServerName(rest: Multiaddr, name: str) -> Multiaddr:
    """
    Keep the name of a host whose IP address is dialed in its place.

    A WebSocket over TLS is asked for by its name, and its certificate names it: before
    the name is resolved it is in C{/dns}, and afterwards it has to be in C{/sni}.

    @param rest: the address after the name of the host, such as C{/tcp/443/wss}.
    @return: C{/tcp/443/tls/sni/NAME/ws}; any other address, and an address with a
        C{/sni}, unchanged.
    """
    names = rest.names
    if "sni" in names:
        return rest
    if "wss" in names:
        place, size = names.index("wss"), 1
    elif "/tls/ws" in f"/{'/'.join(names)}":
        place, size = names.index("tls"), 2
    else:
        return rest
    tail = rest
    for _ in range(place + size):
        tail = tail.withoutFirst()
    before = Multiaddr("".join(_texts(rest)[:place])) if place else None
    try:
        named = Multiaddr(f"/tls/sni/{name}/ws")
        if before is not None:
            named = before.encapsulate(named)
        return named.encapsulate(tail) if tail else named
    except InvalidMultiaddr:
        # The name makes it too long.
        return rest


def _texts(address: Multiaddr) -> list[str]:
    """
    Return the text of each component.
    """
    return [
        f"/{each.name}" + (f"/{each.value}" if each.value is not None else "")
        for each in address
    ]
