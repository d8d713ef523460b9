# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a server of a DHT costs: CPU time of each request, and memory of provider records.

From the command line, at the root of the repository::

    python -m benchmarks.kademliacosts

Requests are read and answers are written as on a stream, without the network.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from random import Random

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.answers import Asker, Server
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.messages import Message, MessageType
from twisted_libp2p.dht.providers import ProviderStore
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.dht.validators import Validators
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.identity import PeerID

__all__ = ["main", "memoryOfProviders", "requestsPerSecond"]

#: Servers in the table, and addresses of each.
SERVERS, ADDRESSES = 200, 4


def peer(random: Random) -> PeerID:
    """
    Make a peer id.
    """
    return PeerID(b"\x12\x20" + random.randbytes(32))


def requestsPerSecond(count: int = 3000) -> float:
    """
    Return the number of FIND_NODE requests that a second of CPU time answers, with 20
    peers in each answer.
    """
    random = Random(1)
    own = peer(random)
    table: RoutingTable[PeerID] = RoutingTable(placeOf(own.toBytes()))
    known: dict[PeerID, list[Multiaddr]] = {}
    while len(table) < SERVERS:
        each = peer(random)
        table.offer(each, placeOf(each.toBytes()), 0.0)
        known[each] = [
            Multiaddr(f"/ip4/45.{number}.0.1/tcp/4001") for number in range(ADDRESSES)
        ]
        if len(known) > 100 * SERVERS:
            break
    server = Server(
        "/ipfs/kad/1.0.0",
        own,
        table,
        ValueStore(),
        ProviderStore(),
        Validators({}),
        lambda each: known.get(each, []),
        lambda peer, addresses: None,
        lambda peer: False,
    )
    requests = [
        Message(MessageType.FIND_NODE, peer(random).toBytes()).toBytes()
        for _ in range(count)
    ]
    asker = Asker(peer(random), Multiaddr("/ip4/46.1.0.1/tcp/4001"))
    began = time.process_time()
    for data in requests:
        request = Message.fromBytes(data, "/ipfs/kad/1.0.0")
        answer = server.answer(request, asker, 0.0)
        assert answer is not None and len(answer.closer) == 20
        answer.toBytes()
    return count / (time.process_time() - began)


def memoryOfProviders(count: int = 10_000) -> int:
    """
    Return the bytes of so many provider records, of 100 providers.
    """
    random = Random(1)
    peers = [peer(random) for _ in range(100)]
    tracemalloc.start()
    store = ProviderStore()
    for number in range(count):
        store.add(
            b"\x12\x20" + random.randbytes(32), peers[number % 100], float(number)
        )
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used


def main() -> None:
    """
    Print the costs as a line of JSON.
    """
    print(
        json.dumps(
            {
                "requests per second of CPU": round(requestsPerSecond()),
                "bytes of 10,000 provider records": memoryOfProviders(),
            }
        )
    )


if __name__ == "__main__":
    main()
