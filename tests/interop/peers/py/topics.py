# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer of topics.

Each line of standard input is a request, which is answered by a line; see
C{../README.rst}.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import Any

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub import pubsub as pubsubs
from libp2p.pubsub.gossipsub import (
    PROTOCOL_ID,
    PROTOCOL_ID_V11,
    PROTOCOL_ID_V12,
    GossipSub,
)
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr
from output import printLine, reason

#: Seconds for a request.
LIMIT = 30

#: The size of the id of a message in bytes.
ID_SIZE = 32

#: How many messages wait for a peer and for a subscriber; by default these are 32 each,
#: and further ones are dropped.
FLOOD = 1 << 16


class Peer(Pubsub):
    """
    Reports the peers that join and leave topics.
    """

    def handle_subscription(self, origin_id: Any, sub_message: Any) -> None:
        """
        Take a subscription, and report it.
        """
        super().handle_subscription(origin_id, sub_message)
        name = "subscribed" if sub_message.subscribe else "unsubscribed"
        printLine({"event": name, "peer": str(origin_id), "topic": sub_message.topicid})


async def report(subscription: Any, topic: str, own: ID) -> None:
    """
    Report the messages of others.
    """
    async for message in subscription:
        source = ID(message.from_id)
        if source == own:
            continue
        printLine(
            {
                "event": "message",
                "topic": topic,
                "size": len(message.data),
                "text": message.data.decode().rstrip(),
                "source": str(source),
            }
        )


async def count(subscription: Any, own: ID, number: int) -> None:
    """
    Take messages of others, and report when so many have come.
    """
    left = number
    if not left:
        return
    async for message in subscription:
        left -= ID(message.from_id) != own
        if not left:
            printLine({"event": "taken", "count": number})
            return


async def flood(pubsub: Any, topic: str, number: int, size: int) -> None:
    """
    Publish messages that all differ.
    """
    beginning = f"{time.time_ns():020}"
    for each in range(number):
        await pubsub.publish(topic, f"{beginning}{each:012}".encode().ljust(size))


async def request(host: Any, pubsub: Any, nursery: Any, words: list[str]) -> Any:
    """
    Do one request: its name, and its arguments.
    """
    match words:
        case ["connect", address]:
            await host.connect(info_from_p2p_addr(Multiaddr(address)))
        case ["subscribe", topic]:
            subscription = await pubsub.subscribe(topic)
            nursery.start_soon(report, subscription, topic, host.get_id())
        case ["take", topic, number]:
            taken = pubsub.subscribed_topics_receive.get(topic)
            taken = taken or await pubsub.subscribe(topic)
            nursery.start_soon(count, taken, host.get_id(), int(number))
        case ["flood", topic, number, size]:
            await flood(pubsub, topic, int(number), int(size))
        case ["unsubscribe", topic]:
            await pubsub.unsubscribe(topic)
        case ["mesh", topic]:
            return [str(each) for each in pubsub.router.mesh.get(topic, ())]
        case ["publish", topic, size, text]:
            await pubsub.publish(topic, text.ljust(int(size)).encode())
        case _:
            raise ValueError(f"unknown request {words}")
    return None


async def topics(policy: str) -> None:
    """
    Serve until standard input ends.
    """
    if policy != "signed":
        raise ValueError("py-libp2p names the author of each message: choose signed")
    pubsubs.SUBSCRIPTION_CHANNEL_SIZE = FLOOD
    pubsubs.RpcQueue = partial(RpcQueue, FLOOD)
    place = [Multiaddr("/ip4/127.0.0.1/tcp/0")]
    host = new_host(key_pair=create_new_key_pair(), listen_addrs=place)
    # By default the heartbeat comes every two minutes; of a topic ten messages a second
    # are passed on, also of its own; and the peers of a mesh need three addresses.
    router = GossipSub(
        [PROTOCOL_ID_V12, PROTOCOL_ID_V11, PROTOCOL_ID],
        6,
        5,
        12,
        heartbeat_interval=1,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    pubsub = Peer(
        host, router, msg_id_constructor=lambda message: message.data[:ID_SIZE]
    )
    async with (
        host.run(listen_addrs=place),
        background_trio_service(pubsub),
        background_trio_service(router),
        trio.open_nursery() as nursery,
    ):
        await pubsub.wait_until_ready()
        printLine(
            {
                "peerId": str(host.get_id()),
                "addrs": [str(each) for each in host.get_addrs()],
                "pid": os.getpid(),
            }
        )
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            try:
                with trio.fail_after(LIMIT):
                    result = await request(host, pubsub, nursery, line.split())
            except Exception as error:
                printLine({"ok": False, "error": reason(error)})
            else:
                printLine({"ok": True, "result": result})
        nursery.cancel_scope.cancel()
