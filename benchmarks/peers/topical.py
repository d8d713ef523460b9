# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node of ours with topics, which takes the requests of the test peers::

    python -m benchmarks.peers.topical {signed,unsigned}

C{tests/interop/peers/README.rst} describes them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import Profile, PubSub, SignaturePolicy, TopicMessage
from twisted_libp2p.pubsub.events import PeerSubscribed
from twisted_libp2p.pubsub.message import Message

__all__ = ["main"]

loop: Any = reactor

POLICIES = {
    "signed": SignaturePolicy.STRICT_SIGN,
    "unsigned": SignaturePolicy.STRICT_NO_SIGN,
}


def idOf(message: Message) -> bytes:
    """
    Return the id of a message, as all test peers do.
    """
    return message.data[:32]


class Requests(LineReceiver):
    """
    Does one request after the other.
    """

    delimiter = b"\n"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._left = self._count = 0

    async def start(self) -> None:
        """
        Listen, and print the addresses.
        """
        node = self._node
        node.startService()
        await node.whenListening()
        node.events.subscribe(PeerSubscribed, self._subscribed)
        addresses = [str(each) for each in node.addresses]
        self.say(peerId=str(node.peerID), addrs=addresses, pid=os.getpid())

    def say(self, **facts: Any) -> None:
        """
        Print a line.
        """
        self.sendLine(json.dumps(facts).encode())

    def lineReceived(self, line: bytes) -> None:
        """
        Do a request, and print its result.
        """
        done = Deferred.fromCoroutine(self._do(*line.decode().split()))
        done.addCallbacks(
            lambda result: self.say(ok=True, result=result),
            lambda reason: self.say(ok=False, error=str(reason.value)),
        )

    async def _do(self, name: str, *words: str) -> None:
        match (name, *words):
            case ["connect", address]:
                await self._node.connect(address)
            case ["take", topic, count]:
                joined = await self._node.pubsub.join(topic)
                if not joined.subscribed:
                    joined.subscribe(self._taken)
                self._left = self._count = int(count)
            case ["flood", topic, count, size]:
                await self._flood(topic, int(count), int(size))
            case _:
                raise ValueError(f"unknown request {name} {words}")

    async def _flood(self, topic: str, count: int, size: int) -> None:
        beginning = f"{time.time_ns():020}"
        for number in range(count):
            data = f"{beginning}{number:012}".encode().ljust(size)
            await self._node.pubsub.publish(topic, data)

    def _subscribed(self, event: PeerSubscribed) -> None:
        self.say(event="subscribed", peer=str(event.peer), topic=event.topic)

    def _taken(self, message: TopicMessage) -> None:
        self._left -= not message.local
        if not self._left:
            self._left = -1
            self.say(event="taken", count=self._count)

    def connectionLost(self, reason: Any = None) -> None:
        """
        Stop: standard input has ended.
        """
        if loop.running:
            loop.stop()


def main(policy: str) -> None:
    """
    Serve until standard input ends.
    """
    profile = Profile(policy=POLICIES[policy], messageID=idOf)
    listen = ["/ip4/127.0.0.1/tcp/0"]
    node = Node(loop, listen=listen, services=[PubSub(profile)])
    requests = Requests(node)
    StandardIO(requests)
    loop.callWhenRunning(lambda: Deferred.fromCoroutine(requests.start()))
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1])
