# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The cost of a message between two nodes of one process, over TCP on loopback: the CPU
time of both nodes together.

From the command line, at the root of the repository::

    python -m benchmarks.topiccosts
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import (
    Profile,
    PubSub,
    SignaturePolicy,
    TopicMessage,
    idOfContent,
)

__all__ = ["main"]

#: The messages of each run, and their sizes in bytes.
MESSAGES, SIZES = 3000, (100, 1024, 16384)

_UNSIGNED = SignaturePolicy.STRICT_NO_SIGN


async def run(reactor: Any, profile: Profile, size: int) -> float:
    """
    Publish messages one after the other.

    @return: the CPU time of a message in seconds.
    """
    listen: tuple[list[str], ...] = (["/ip4/127.0.0.1/tcp/0"], [])
    near, far = (
        Node(reactor, listen=each, services=[PubSub(profile)]) for each in listen
    )
    for node in (near, far):
        node.startService()
    await near.whenListening()
    await far.connect(near.addresses[0])
    done: Deferred[None] = Deferred()
    left = MESSAGES

    def received(message: TopicMessage) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.callback(None)

    (await near.pubsub.join("news")).subscribe(received)
    topic = await far.pubsub.join("news")
    began = time.process_time()
    for number in range(MESSAGES):
        await topic.publish(number.to_bytes(8, "big") + bytes(size - 8))
    await done
    spent = time.process_time() - began
    for node in (far, near):
        await node.stopService()
    return spent / MESSAGES


async def measure(reactor: Any) -> None:
    """
    Print a line for each kind of message.
    """
    unsigned = Profile(policy=_UNSIGNED, messageID=idOfContent)
    for name, profile in (("signed", Profile()), ("unsigned", unsigned)):
        for size in SIZES:
            cost = await run(reactor, profile, size)
            print(f"{name}, {size} bytes: {cost * 1e6:.0f} µs of CPU a message")


def main() -> None:
    """
    Run.
    """
    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


if __name__ == "__main__":
    main()
