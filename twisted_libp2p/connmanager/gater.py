# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Gaters: by lists of peers, addresses and networks they decide which peers are let in,
and which are dialed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, unmapped
from twisted_libp2p.address.multiaddr import Component
from twisted_libp2p.address.scope import ipsOfHost
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Direction, IConnection, IGater
from twisted_libp2p.limits.subnets import (
    BITS,
    Network,
    hostOf,
    networkText,
    parseNetwork,
)

__all__ = ["AddressList", "Entry", "ListGater", "OpenGater"]

#: An entry of a list: a peer; an address, which stands for all addresses that begin
#: with it; or text: a peer id, a multiaddr, an IP address, a network such as
#: C{192.0.2.0/24}.
Entry = PeerID | Multiaddr | str


@implementer(IGater)
class OpenGater:
    """
    Lets every peer in.  A subclass needs only the hooks that it changes.
    """

    def beforeDial(self, peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        Allow the dial.
        """
        return None

    def accepted(self, address: Multiaddr | None) -> str | None:
        """
        Allow the upgrade to begin.
        """
        return None

    def secured(
        self, peer: PeerID, address: Multiaddr | None, direction: Direction
    ) -> str | None:
        """
        Allow the upgrade to go on.
        """
        return None

    def upgraded(self, connection: IConnection) -> str | None:
        """
        Keep the connection.
        """
        return None


class AddressList:
    """
    A list of peers, addresses and networks.  A look-up in a long list costs as much as
    in a short one.
    """

    def __init__(self, entries: Entry | Iterable[Entry] = ()) -> None:
        """
        Make a list of entries.

        @param entries: any number of entries, or a single one.
        @raise ConfigurationError: an entry is of no kind of L{Entry}.
        """
        self.peers: set[PeerID] = set()
        self.addresses: set[tuple[Component, ...]] = set()
        # By version and length of the prefix: the prefixes.
        self.networks: dict[tuple[int, int], set[int]] = {}
        if isinstance(entries, PeerID | Multiaddr | str):
            entries = (entries,)
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """
        Add an entry.

        @raise ConfigurationError: it is of no kind of L{Entry}.
        """
        parsed = _parse(entry)
        if isinstance(parsed, PeerID):
            self.peers.add(parsed)
        elif isinstance(parsed, Multiaddr):
            self.addresses.add(tuple(parsed))
        else:
            version, length, prefix = parsed
            self.networks.setdefault((version, length), set()).add(prefix)

    def remove(self, entry: Entry) -> None:
        """
        Remove an entry, if it is there.

        @raise ConfigurationError: it is of no kind of L{Entry}.
        """
        parsed = _parse(entry)
        if isinstance(parsed, PeerID):
            self.peers.discard(parsed)
        elif isinstance(parsed, Multiaddr):
            self.addresses.discard(tuple(parsed))
        else:
            version, length, prefix = parsed
            networks = self.networks.get((version, length))
            if networks is not None:
                networks.discard(prefix)
                if not networks:
                    del self.networks[version, length]

    def __iter__(self) -> Iterator[str]:
        """
        Generate the entries as text: peers, then addresses, then networks.
        """
        yield from map(str, self.peers)
        for address in self.addresses:
            parts = (part for each in address for part in (each.name, each.value))
            yield "/" + "/".join(part for part in parts if part is not None)
        for (version, length), prefixes in self.networks.items():
            for prefix in prefixes:
                yield networkText(version, length, prefix)

    def matches(self, address: Multiaddr | str | None, embedded: bool = False) -> bool:
        """
        Return whether an address, or the network it is in, is on the list.

        @param embedded: whether the IPv4 addresses inside an IPv6 address count
            too: packets for it may be translated to them (NAT64), or tunnelled
            (6to4, Teredo).
        """
        if address is None:
            return False
        address = unmapped(Multiaddr.of(address))
        if self._holds(address):
            return True
        host = address.host if embedded else None
        inner = () if host is None else ipsOfHost(host)[1:]
        if not inner:
            return False
        rest = address.withoutFirst()
        if address.names[0] == "ip6zone":
            rest = rest.withoutFirst()
        return any(
            self._holds(Multiaddr(f"/ip4/{each}").encapsulate(rest)) for each in inner
        )

    def _holds(self, address: Multiaddr) -> bool:
        """
        Return whether an address, in this form, is on the list.
        """
        if self.addresses:
            components = tuple(address)
            # A zone names the link to a host, not the host.
            for start in (0, 1) if address.names[:1] == ("ip6zone",) else (0,):
                for end in range(start + 1, len(components) + 1):
                    if components[start:end] in self.addresses:
                        return True
        host = hostOf(address) if self.networks else None
        if host is None:
            return False
        version, number = host
        bits = BITS[version]
        return any(
            version == each and number >> (bits - length) in prefixes
            for (each, length), prefixes in self.networks.items()
        )


class ListGater(OpenGater):
    """
    Refuses blocked peers and addresses, and lets allowed ones in.

    An allowed peer is dialed even if its address is blocked; an inbound connection
    from a blocked address is refused before its peer is known.  A peer and an address
    on neither list are let in, unless C{only} is true.

    The lists may change at any time; that closes no existing connection.

    @ivar blocked: the refused peers, addresses and networks.
    @ivar allowed: the allowed ones.
    @ivar only: whether all others are refused.
    """

    def __init__(
        self,
        blocked: Entry | Iterable[Entry] = (),
        allowed: Entry | Iterable[Entry] = (),
        only: bool = False,
    ) -> None:
        """
        Make a gater from two lists.

        @param blocked: the refused peers, addresses and networks.
        @param allowed: the allowed ones.
        @param only: whether all others are refused.
        @raise ConfigurationError: an entry is of no kind of L{Entry}.
        """
        self.blocked = AddressList(blocked)
        self.allowed = AddressList(allowed)
        self.only = only

    def beforeDial(self, peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        Look up the peer and the address.
        """
        return self._judge(peer, address)

    def accepted(self, address: Multiaddr | None) -> str | None:
        """
        Look up the address.  Where peers are allowed by their ids, the id has to be
        known first.
        """
        if self.allowed.peers and not self.blocked.matches(address, embedded=True):
            return None
        return self._judge(None, address)

    def secured(
        self, peer: PeerID, address: Multiaddr | None, direction: Direction
    ) -> str | None:
        """
        Look up the peer and the address.
        """
        return self._judge(peer, address)

    def _judge(self, peer: PeerID | None, address: Multiaddr | None) -> str | None:
        if peer in self.allowed.peers or self.allowed.matches(address):
            return None
        if peer in self.blocked.peers:
            return f"peer {peer} is blocked"
        if self.blocked.matches(address, embedded=True):
            return f"address {address} is blocked"
        if self.only:
            if peer is not None:
                return f"peer {peer} is not among the allowed ones"
            return f"address {address} is not among the allowed ones"
        return None


def _parse(entry: Entry) -> PeerID | Multiaddr | Network:
    """
    Read an entry of a list.
    """
    if isinstance(entry, Multiaddr):
        return unmapped(entry)
    if isinstance(entry, PeerID):
        return entry
    if not isinstance(entry, str):
        raise ConfigurationError(
            f"{entry!r} is no peer, no address and no network, such as 192.0.2.0/24"
        )
    if not entry.startswith("/") and ("." in entry or ":" in entry):
        return parseNetwork(entry)
    try:
        if entry.startswith("/"):
            address = Multiaddr(entry)
            peer = address.peerID
            return unmapped(address) if peer is None or len(address) > 1 else peer
        return PeerID.fromText(entry)
    except (InvalidInput, ValueError) as error:
        raise ConfigurationError(
            f"{entry!r} is no peer, no address and no network: {error}"
        ) from None
