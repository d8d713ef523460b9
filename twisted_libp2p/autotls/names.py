# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The names of a peer below the domain of a broker, and the addresses that contain them.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID

__all__ = ["PeerNames"]

_DOMAIN: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")

# Parts of a multiaddr; a path may follow.
_FORM: Final = re.compile(
    r"(ip4|ip6)/tcp/(?P<kind>wss|tls/ws|tls/sni/ws)(?P<path>/http-path)?"
)


class PeerNames:
    """
    The names of one peer.

    @ivar zone: the name below which all of them are.
    @ivar wildcard: the name in the certificate.
    """

    def __init__(self, peer: PeerID, domain: str) -> None:
        """
        @param domain: the domain of the broker, in small letters.
        @raise ConfigurationError: that is not a domain.
        """
        if not _DOMAIN.fullmatch(domain):
            raise ConfigurationError(
                f"{domain!r} is not the domain of a broker: libp2p.direct is one"
            )
        self.zone = f"{peer.toCID('base36')}.{domain}"
        self.wildcard = f"*.{self.zone}"

    def of(self, host: str) -> str:
        """
        Return the name of an IP address.
        """
        address = ip_address(host)
        if not isinstance(address, IPv6Address):
            return f"{str(address).replace('.', '-')}.{self.zone}"
        dashed = str(address).replace(":", "-")
        # No label of a name begins or ends with a hyphen.
        if dashed.startswith("-"):
            dashed = f"0{dashed}"
        if dashed.endswith("-"):
            dashed = f"{dashed}0"
        return f"{dashed}.{self.zone}"

    def needs(self, address: Multiaddr) -> bool:
        """
        Check whether an address of ours is that of a secure WebSocket whose certificate
        is this one: by an IP address, and without another name.
        """
        if _FORM.fullmatch("/".join(address.names)) is None:
            return False
        name = address.value("sni")
        return name is None or name.endswith(f".{self.zone}")

    def named(self, address: Multiaddr) -> Multiaddr:
        """
        Put the name of its IP address into an address that L{needs} it.
        """
        family = address.first
        host = address.value(family)
        form = _FORM.fullmatch("/".join(address.names))
        assert host is not None and form is not None
        named = Multiaddr(
            f"/{family}/{host}/tcp/{address.value('tcp')}/tls/sni/{self.of(host)}/ws"
        )
        if not form["path"]:
            return named
        rest = address
        while rest.first != "http-path":
            rest = rest.withoutFirst()
        return named.encapsulate(rest)
