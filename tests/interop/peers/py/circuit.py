# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Relays: a place at one, and peers that are dialed through one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.relay.circuit_v2.config import RelayConfig, RelayRole
from libp2p.relay.circuit_v2.protocol import PROTOCOL_ID, CircuitV2Protocol
from libp2p.relay.circuit_v2.transport import CircuitV2Transport
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

__all__ = ["CIRCUIT", "dialThrough", "reserved"]

#: The part of an address that stands for a relay.
CIRCUIT = "/p2p-circuit"


def makeTransport(host: Any, protocol: CircuitV2Protocol, roles: RelayRole) -> Any:
    """
    Make the transport of relayed connections.  As a C{CLIENT} it would ask for a
    reservation before it dials.
    """
    return CircuitV2Transport(host, protocol, RelayConfig(roles=roles))


@asynccontextmanager
async def reserved(host: Any, relay: str) -> AsyncIterator[str]:
    """
    Reserve a place at a relay, and renew it.

    @return: our address there.
    @raise OSError: the relay refuses.
    """
    protocol = CircuitV2Protocol(host, allow_hop=False)
    transport = makeTransport(host, protocol, RelayRole.STOP | RelayRole.CLIENT)
    async with background_trio_service(protocol), trio.open_nursery() as nursery:
        await protocol.event_started.wait()
        info = info_from_p2p_addr(Multiaddr(relay))
        await host.connect(info)
        stream = await host.new_stream(info.peer_id, [PROTOCOL_ID])
        if not await transport.reserve(stream, info.peer_id, nursery):
            raise OSError("the relay refuses a reservation")
        await stream.close()
        yield f"{relay}{CIRCUIT}/p2p/{host.get_id()}"
        nursery.cancel_scope.cancel()


async def dialThrough(host: Any, target: str) -> Any:
    """
    Connect to a peer through a relay.

    @return: the connection.
    """
    protocol = CircuitV2Protocol(host, allow_hop=False)
    return await makeTransport(host, protocol, RelayRole.STOP).dial(Multiaddr(target))
