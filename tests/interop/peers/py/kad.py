# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A server of a DHT.

Each line of standard input is a request, which is answered by a line; see
C{../README.rst}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from output import printLine, reason

#: Seconds for a request.
KAD_LIMIT = 30


async def request(host: Any, dht: Any, words: list[str]) -> Any:
    """
    Do one request: its name, and its argument.
    """
    match words:
        case ["connect", address]:
            info = info_from_p2p_addr(Multiaddr(address))
            await host.connect(info)
            await dht.add_peer(info.peer_id, skip_server_mode_check=True)
            return None
        case ["find", peer]:
            found = await dht.find_peer(ID.from_base58(peer))
            return [] if found is None else [str(each) for each in found.addrs]
        case ["provide", key]:
            if not await dht.provide(key):
                raise ValueError("nobody has stored it")
            return None
        case ["providers", key]:
            return [str(each.peer_id) for each in await dht.find_providers(key, 1)]
    raise ValueError(f"unknown request {words}")


async def kad(prefix: str) -> None:
    """
    Serve until standard input ends.
    """
    if prefix != "/ipfs":
        raise ValueError("the id of py-libp2p's DHT is /ipfs/kad/1.0.0")
    host = new_host(
        key_pair=create_new_key_pair(),
        listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")],
    )
    async with host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        dht = KadDHT(host, DHTMode.SERVER)
        add = dht.routing_table.add_peer

        async def entered(peer: Any, **options: Any) -> bool:
            added: bool = await add(peer, **options)
            if added:
                known = getattr(peer, "peer_id", peer)
                printLine({"event": "entered", "peer": str(known)})
            return added

        dht.routing_table.add_peer = entered
        async with background_trio_service(dht):
            printLine(
                {
                    "peerId": str(host.get_id()),
                    "addrs": [str(each) for each in host.get_addrs()],
                    "pid": os.getpid(),
                }
            )
            while line := await trio.to_thread.run_sync(sys.stdin.readline):
                try:
                    with trio.fail_after(KAD_LIMIT):
                        result = await request(host, dht, line.split())
                except Exception as error:
                    printLine({"ok": False, "error": reason(error)})
                else:
                    printLine({"ok": True, "result": result})
