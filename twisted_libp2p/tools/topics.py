# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p publish} and C{subscribe}.

Messages go to stdout, and everything else to stderr.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.internet.stdio import StandardIO

from twisted_libp2p import seek
from twisted_libp2p.errors import MessageTooLarge, NoPeers
from twisted_libp2p.node import Node
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.printable import printable
from twisted_libp2p.pubsub import Receipt, TopicMessage
from twisted_libp2p.tools.input import Input

__all__ = ["publish", "publishOne", "subscribe"]


@asynccontextmanager
async def _joined(reactor: Any, options: Any) -> AsyncIterator[Node]:
    """
    Run a node that speaks pubsub and is connected to a peer; stop it at the end.
    """
    arguments = {**options.nodeArguments(), "listen": options["listen"]}
    services = [options.topics(), *options.services(arguments["network"])]
    node = Node(reactor, services=services, **arguments)
    node.startService()
    try:
        await node.whenListening()
        for address in node.addresses:
            _say(f"listening on {address}")
        if options["bootstrap"]:
            await seek.bootstrap(node, options["bootstrap"])
        yield node
    finally:
        await node.stopService()


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


async def publish(reactor: Any, options: Any) -> None:
    """
    Publish each line of stdin.
    """
    topic, raw = options["topic"], options["raw"]
    async with _joined(reactor, options) as node:
        maximum = node.pubsub.profile.maximum
        source = Input(maximum, whole=raw)
        StandardIO(source, reactor=reactor)
        count, receipt = 0, None
        async for data in source:
            if len(data) > maximum:
                raise MessageTooLarge(topic, f"stdin has more than {maximum} bytes")
            receipt = await publishOne(reactor, options, node, data)
            count += 1
        if receipt is not None:
            # Messages leave in the order in which they are published.
            await receipt.sent
        _say(f"published: {count}")


async def publishOne(reactor: Any, options: Any, node: Node, data: bytes) -> Receipt:
    """
    Publish a message when a peer has subscribed.

    @raise NoPeers: no peer does in time.
    """
    topic, wait = options["topic"], options["timeout"]
    if not node.pubsub.peersOf(topic):
        _say(f"waiting for a subscriber of {topic}")
    publishing = node.pubsub.publish(topic, data)
    try:
        receipt: Receipt = await addTimeout(publishing, wait, reactor)
    except TimeoutError:
        peers = len(node.pubsub.peers)
        raise NoPeers(
            topic,
            f"of {peers} peers that speak pubsub none has subscribed, or taken the"
            f" message, in {wait:g} s: see --timeout",
        ) from None
    return receipt


async def subscribe(reactor: Any, options: Any) -> None:
    """
    Print each message of a topic.
    """
    count = options["count"]
    async with _joined(reactor, options) as node:
        topic = await node.pubsub.join(options["topic"])
        async for message in topic.subscribe():
            options.show([_line(message)], **_facts(message))
            if count is not None:
                count -= 1
                if not count:
                    break


def _line(message: TopicMessage) -> str:
    """
    Return a message as a line that no terminal obeys.
    """
    text = message.data.decode(errors="backslashreplace")
    return printable(text, len(text) * 10)


def _facts(message: TopicMessage) -> dict[str, Any]:
    """
    Describe a message, with its data as text, or in base64 if it is not UTF-8.
    """
    described: dict[str, Any] = {
        "topic": message.topic,
        "id": message.id.hex(),
        "source": None if message.source is None else str(message.source),
        "sequence": message.sequence,
        "sender": str(message.sender),
        "time": message.time,
    }
    try:
        described["text"] = message.data.decode()
    except UnicodeDecodeError:
        described["base64"] = b64encode(message.data).decode()
    return described
