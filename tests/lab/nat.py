# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rules of a router: how it translates addresses, and whom it lets in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["FIREWALL", "NAT", "Filtering", "Mapping"]


class Mapping(Enum):
    """
    How a router chooses the public port of a socket behind it.
    """

    #: The port of the socket, if that is free: one for all destinations.
    INDEPENDENT = "independent"
    #: Another port than that of the socket, but one for all destinations.
    TRANSLATING = "translating"
    #: A random one for each destination: a "symmetric" NAT.
    SYMMETRIC = "symmetric"


class Filtering(Enum):
    """
    From whom a router lets packets in to a public port.
    """

    #: From the addresses and ports that were spoken to from there.
    PORT = "port"
    #: From the addresses that were spoken to from there, with any port.
    ADDRESS = "address"
    #: From everybody.
    NONE = "none"


_SOURCES = {
    Mapping.INDEPENDENT: "masquerade",
    Mapping.TRANSLATING: "meta l4proto {{ tcp, udp }} snat to {wan}:30000-40000",
    Mapping.SYMMETRIC: "masquerade fully-random",
}

#: A firewall for IPv6, which translates nothing.
FIREWALL = """
table ip6 router {
  chain forwarding {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iif "lan" oif "wan" accept
  }
}
"""

# The translation of the kernel filters by address and port.  The two maps and the set
# keep what it has chosen, for the wider filters.
_RULES = """
table ip router {{
  map tcps {{
    type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s;
  }}
  map udps {{
    type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s;
  }}
  set spoken {{
    type ipv4_addr . inet_service; flags dynamic,timeout; timeout 120s;
  }}
  chain incoming {{
    type nat hook prerouting priority dstnat; policy accept;
    {incoming}
  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat; policy accept;
    oif "wan" {source}
    {hairpin}
  }}
  chain learning {{
    type filter hook postrouting priority srcnat + 10; policy accept;
    ct direction reply accept
    oif "wan" {tcp} update @tcps {{ tcp sport : {inside} }}
    oif "wan" {udp} update @udps {{ udp sport : {inside} }}
    oif "wan" meta l4proto {{ tcp, udp }} update @spoken {{ ip daddr . th sport }}
  }}
  chain forwarding {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct status dnat accept
    iif "lan" oif "wan" accept
  }}
  chain refusing {{
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    {refusal}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class NAT:
    """
    A kind of router.

    @ivar mapping: how it chooses public ports.
    @ivar filtering: whom it lets in.
    @ivar resets: whether it answers an unwanted connection of TCP by a reset, and an
        unwanted datagram by an error; otherwise it drops them in silence.
    @ivar forwards: the ports that it forwards, as C{(protocol, port, host)}, such as
        C{("tcp", 4001, "10.1.0.2")}.
    @ivar hairpin: whether its hosts reach forwarded ports by the public address.
    """

    mapping: Mapping = Mapping.INDEPENDENT
    filtering: Filtering = Filtering.PORT
    resets: bool = False
    forwards: tuple[tuple[str, int, str], ...] = ()
    hairpin: bool = False

    def rules(self, wan: str) -> str:
        """
        Return the rules, for C{nft -f}.

        @param wan: the public address of the router.
        """
        incoming = [
            f'iif "wan" {protocol} dport {port} dnat to {host}'
            for protocol, port, host in self.forwards
        ]
        if self.filtering is not Filtering.PORT:
            spoken = self.filtering is Filtering.ADDRESS
            known = "ip saddr . th dport @spoken " if spoken else ""
            incoming += [
                f'iif "wan" meta l4proto {each} {known}'
                f"dnat ip to {each} dport map @{each}s"
                for each in ("tcp", "udp")
            ]
        hairpin = ""
        if self.hairpin:
            hairpin = 'iif "lan" oif "lan" masquerade'
            incoming += [
                f'iif "lan" ip daddr {wan} {protocol} dport {port} dnat to {host}'
                for protocol, port, host in self.forwards
            ]
        # The router's own sockets would refuse a datagram too, but it would be tracked,
        # as a connection that has the port which the host behind needs.
        refusal = (
            'iif "wan" meta l4proto tcp reject with tcp reset\n    '
            'iif "wan" meta l4proto udp reject'
            if self.resets
            else 'iif "wan" drop'
        )
        return _RULES.format(
            tcp="meta l4proto tcp",
            udp="meta l4proto udp",
            inside="ct original ip saddr . ct original proto-src",
            incoming="\n    ".join(incoming),
            source=_SOURCES[self.mapping].format(wan=wan),
            hairpin=hairpin,
            refusal=refusal,
        )
