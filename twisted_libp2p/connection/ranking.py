# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ranking: the order in which addresses are dialed, and the times between them.

The idea is that of RFC 8305 (Happy Eyeballs), the numbers are those of
go-libp2p.  An address that does not answer delays the dial by one step only, and yet
few connections are begun without need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import zip_longest

from twisted_libp2p.address import Multiaddr, Scope

__all__ = ["FAR_STEP", "NEAR_STEP", "RELAY_STEP", "rank"]

#: Seconds after an address in a network of our own until the next one is dialed as
#: well.
NEAR_STEP = 0.03

#: Seconds after any other address.
FAR_STEP = 0.25

#: Seconds after all of these until a relay is dialed.
RELAY_STEP = 0.5

_NEAR = (Scope.LOOPBACK, Scope.LINK_LOCAL, Scope.PRIVATE)

_DETOURS = frozenset(("p2p-circuit", "onion", "onion3"))

_WEB = frozenset(("ws", "wss", "webtransport"))

_QUIC = "quic-v1"

_FAMILIES = {"ip6": "ip6", "ip6zone": "ip6", "dns6": "ip6", "ip4": "ip4", "dns4": "ip4"}


class _Group(IntEnum):
    """
    How promising an address is.
    """

    #: A Unix socket, which needs no network.
    HERE = 0
    #: In a network of our own that fits.
    NEAR = 1
    #: Public, or a name.
    FAR = 2
    #: In a private network of others.
    UNFIT = 3
    #: By way of a relay, or of Tor.
    RELAYED = 4


# For each group: the seconds before its first address, and those before the next ones.
_STEPS = {
    _Group.HERE: (0.0, NEAR_STEP),
    _Group.NEAR: (NEAR_STEP, NEAR_STEP),
    _Group.FAR: (NEAR_STEP, FAR_STEP),
    _Group.UNFIT: (FAR_STEP, FAR_STEP),
    _Group.RELAYED: (RELAY_STEP, FAR_STEP),
}


class _Place:
    """
    Where we are, as far as that is known.

    @ivar here: whether the peer is on this host, or may be.
    @ivar families: the families of IP, the preferred one first.
    """

    def __init__(self, given: Sequence[Multiaddr], own: Sequence[Multiaddr]) -> None:
        hosts = {each.host for each in own} - {None}
        self._known = bool(own)
        self._networks = {(Scope.of(each), _family(each)) for each in own}
        abroad = {family for scope, family in self._networks if scope != Scope.LOOPBACK}
        self.here = (self._known and not abroad) or any(
            each.host in hosts for each in given if Scope.of(each) != Scope.LOOPBACK
        )
        onlyIPv4 = abroad == {"ip4"}
        self.families = ("ip4", "ip6", "") if onlyIPv4 else ("ip6", "ip4", "")

    def group(self, address: Multiaddr) -> _Group:
        """
        Judge how promising an address is.
        """
        scope = Scope.of(address)
        if not _DETOURS.isdisjoint(address.names):
            return _Group.RELAYED
        if address.first == "unix":
            return _Group.HERE
        if scope not in _NEAR:
            return _Group.FAR
        if scope == Scope.LOOPBACK:
            fits = self.here
        else:
            fits = not self._known or (scope, _family(address)) in self._networks
        return _Group.NEAR if fits else _Group.UNFIT


def rank(
    addresses: Iterable[Multiaddr], own: Iterable[Multiaddr] = ()
) -> list[tuple[float, Multiaddr]]:
    """
    Order the addresses of one peer:

      1. Unix sockets, which need no network;
      2. private addresses that fit: we have such an address too, or none of our
         addresses is known.  Loopback fits if we have no other addresses, or if the
         peer has an IP address of ours, so that it is on this host;
      3. public addresses, and names;
      4. private addresses that do not fit;
      5. addresses by way of a relay, or of Tor.

    In each of these IPv6 and IPv4 take turns, IPv6 first unless only IPv4
    is known to be ours.  In each family QUIC comes first, as in go-libp2p, since it
    needs the fewest round trips, and WebSocket and WebTransport last.  Otherwise the
    given order remains.

    @param addresses: without repetitions.
    @param own: our own addresses, as far as they are known.
    @return: for each the seconds from the beginning at which to dial it, if
        the addresses before it have not led to the peer by then.
    """
    given = sorted(addresses, key=_cost)
    if len(given) < 2:
        return [(0.0, each) for each in given]
    place = _Place(given, list(own))
    groups: dict[_Group, list[Multiaddr]] = {group: [] for group in _Group}
    for address in given:
        groups[place.group(address)].append(address)
    ranked: list[tuple[float, Multiaddr]] = []
    delay = 0.0
    for group, members in groups.items():
        first, step = _STEPS[group]
        for index, address in enumerate(_alternate(members, place.families)):
            if ranked:
                delay += step if index else first
            ranked.append((delay, address))
    return ranked


def _alternate(
    addresses: Sequence[Multiaddr], families: Sequence[str]
) -> Iterator[Multiaddr]:
    """
    Let the families of IP take turns.
    """
    queues = [
        [each for each in addresses if _family(each) == family] for family in families
    ]
    for turn in zip_longest(*queues):
        yield from (each for each in turn if each is not None)


def _cost(address: Multiaddr) -> int:
    """
    Compare transports by their round trips and bytes: QUIC, plain TCP, those of
    browsers.
    """
    names = address.names
    if names[-1:] == (_QUIC,):
        return 0
    return 1 if _WEB.isdisjoint(names) else 2


def _family(address: Multiaddr) -> str:
    """
    Return the family of IP that an address needs; an empty text if it is not known.
    """
    return next((_FAMILIES.get(each.name, "") for each in address), "")
