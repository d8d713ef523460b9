# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peers that can be asked to dial us, without I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.reachability.messages import AUTONAT, DIAL_REQUEST

__all__ = ["MAX_SERVERS", "PAY_INTERVAL", "Server", "Servers"]

#: Number of servers that are known.
MAX_SERVERS: Final = 256

#: Seconds until the same server is paid again.
PAY_INTERVAL: Final = 3600.0


@dataclass(slots=True, eq=False)
class Server:
    """
    A peer that may be asked.

    @ivar connection: the connection to it.
    @ivar network: the network of its address.
    @ivar version: the version of AutoNAT: 2, or 1.
    @ivar notBefore: when it may be asked again.
    @ivar paidAt: when it was sent data; None so far.
    @ivar refused: the addresses that it does not dial, and when it may be asked again
        for each.
    @ivar busy: whether it is being asked.
    """

    connection: IConnection
    network: Hashable
    version: int
    notBefore: float = 0.0
    paidAt: float | None = None
    refused: dict[Multiaddr, float] = field(default_factory=dict)
    busy: bool = False

    @property
    def peer(self) -> PeerID:
        """
        The id of the peer.
        """
        return self.connection.remotePeer

    def mayBeAsked(self, address: Multiaddr, now: float) -> bool:
        """
        Check whether the server may be asked for an address now.
        """
        return (
            not self.busy
            and now >= self.notBefore
            and now >= self.refused.get(address, 0.0)
        )

    def mayBePaid(self, now: float) -> bool:
        """
        Check whether the server is sent the data that it demands, and record it.
        """
        if self.paidAt is not None and now < self.paidAt + PAY_INTERVAL:
            return False
        self.paidAt = now
        return True

    def refuses(self, address: Multiaddr, now: float, until: float) -> None:
        """
        Record that the server does not dial an address.
        """
        self.refused = {each: end for each, end in self.refused.items() if end > now}
        self.refused[address] = until


class Servers:
    """
    The known servers.  Those of version 1 are used only where there are no others.
    """

    def __init__(self) -> None:
        self._all: OrderedDict[IConnection, Server] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Server]:
        """
        Iterate over the servers that are used.
        """
        version = max((each.version for each in self._all.values()), default=0)
        return (each for each in self._all.values() if each.version == version)

    @property
    def networks(self) -> int:
        """
        The number of networks of the servers that are used.
        """
        return len({each.network for each in self})

    def learn(
        self, connection: IConnection, network: Hashable, protocols: Collection[str]
    ) -> bool:
        """
        Take the protocols of the peer of a connection.

        @return: whether it is a server that was not known.
        """
        if DIAL_REQUEST in protocols:
            version = 2
        elif AUTONAT in protocols:
            version = 1
        else:
            self.forget(connection)
            return False
        known = self._all.get(connection)
        if known is not None:
            known.version = version
        elif len(self._all) < MAX_SERVERS:
            self._all[connection] = Server(connection, network, version)
            return True
        return False

    def forget(self, connection: IConnection) -> None:
        """
        Forget the peer of a connection.
        """
        self._all.pop(connection, None)

    def clear(self) -> None:
        """
        Forget all of them.
        """
        self._all.clear()

    def choose(
        self, address: Multiaddr, without: Collection[Hashable], now: float
    ) -> Server | None:
        """
        Choose the server that is asked for an address: the one that was asked longest
        ago.

        @param without: the networks of which none is asked.
        @return: None if all are busy, or were asked a moment ago.
        """
        found = [
            each
            for each in self
            if each.network not in without and each.mayBeAsked(address, now)
        ]
        if not found:
            return None
        chosen = min(found, key=lambda each: each.notBefore)
        self._all.move_to_end(chosen.connection)
        return chosen
