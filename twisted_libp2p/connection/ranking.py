# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ranking: in which order, and how soon after each other, addresses are dialed.

The spirit is that of RFC 8305 (Happy Eyeballs), the numbers are those of
go-libp2p: nobody waits for an address that does not answer for longer than one
step, and yet few connections are begun for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from twisted_libp2p.address import Multiaddr, Scope

__all__ = ["FAR_STEP", "NEAR_STEP", "RELAY_STEP", "rank"]

#: Seconds that an address in a network of our own is given before the next one
#: is dialed as well.
NEAR_STEP = 0.03

#: Seconds that any other address is given.
FAR_STEP = 0.25

#: Seconds that all of these are given before a relay is asked.
RELAY_STEP = 0.5

_NEAR = (Scope.LOOPBACK, Scope.LINK_LOCAL, Scope.PRIVATE)

_FAMILIES = {"ip6": "ip6", "ip6zone": "ip6", "dns6": "ip6", "ip4": "ip4", "dns4": "ip4"}


def rank(
    addresses: Iterable[Multiaddr], own: Iterable[Multiaddr] = ()
) -> list[tuple[float, Multiaddr]]:
    """
    Order the addresses of one peer:

      1. private ones that fit: we have such an address too, or do not know of
         any that we have; loopback fits where we have no other ones, or the
         peer has an IP address of ours, which tells that it is on this host;
      2. public ones, and names;
      3. private ones that do not fit;
      4. those by way of a relay.

    In each of these IPv6 and IPv4 take turns, IPv6 first unless only the other
    is known to be ours.  Beyond that the order remains as it was.

    @param addresses: without repetitions.
    @param own: where we are ourselves, as far as that is known.
    @return: for each the seconds from the beginning at which to dial it, if
        nothing has come of those before it by then.
    """
    given, own = list(addresses), list(own)
    if len(given) < 2:
        return [(0.0, each) for each in given]
    hosts = {each.host for each in own} - {None}
    here = any(each.host in hosts for each in given if Scope.of(each) != Scope.LOOPBACK)
    networks = {(Scope.of(each), _family(each)) for each in own}
    abroad = {family for scope, family in networks if scope != Scope.LOOPBACK}
    here = here or (bool(own) and not abroad)
    near: list[Multiaddr] = []
    far: list[Multiaddr] = []
    unfit: list[Multiaddr] = []
    relayed: list[Multiaddr] = []
    for address in given:
        scope = Scope.of(address)
        if "p2p-circuit" in address.names:
            relayed.append(address)
        elif scope not in _NEAR:
            far.append(address)
        elif (
            here
            if scope == Scope.LOOPBACK
            else (not own or (scope, _family(address)) in networks)
        ):
            near.append(address)
        else:
            unfit.append(address)
    families = ("ip4", "ip6", "") if abroad == {"ip4"} else ("ip6", "ip4", "")
    ranked: list[tuple[float, Multiaddr]] = []
    delay = 0.0
    for group, first, step in (
        (near, 0.0, NEAR_STEP),
        (far, NEAR_STEP, FAR_STEP),
        (unfit, FAR_STEP, FAR_STEP),
        (relayed, RELAY_STEP, FAR_STEP),
    ):
        for index, address in enumerate(_alternate(group, families)):
            if ranked:
                delay += step if index else first
            ranked.append((delay, address))
    return ranked


def _alternate(
    addresses: Sequence[Multiaddr], families: Sequence[str]
) -> Iterator[Multiaddr]:
    """
    Let the families take turns.
    """
    queues = [
        [each for each in addresses if _family(each) == family] for family in families
    ]
    for turn in zip_longest(*queues):
        yield from (each for each in turn if each is not None)


def _family(address: Multiaddr) -> str:
    """
    Give the family of IP that an address needs; empty where it is not known.
    """
    return next((_FAMILIES.get(each.name, "") for each in address), "")
