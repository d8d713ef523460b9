# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics of ours and of others: messages, meshes, gossip, and restarts.
"""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.interop.network import Command, Foreign, Network
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import Parameters, Profile, PubSub, SignaturePolicy
from twisted_libp2p.pubsub.events import (
    Grafted,
    PeerSubscribed,
    PeerUnsubscribed,
    PubSubEvent,
)
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.profile import PROTOCOLS

TOPIC = "news"

Kind = type[Grafted] | type[PeerSubscribed] | type[PeerUnsubscribed]

POLICIES = {
    "signed": SignaturePolicy.STRICT_SIGN,
    "unsigned": SignaturePolicy.STRICT_NO_SIGN,
}

#: Everything but unsigned messages with py-libp2p 0.8.1, which has no such policy.
CASES = [
    (name, policy)
    for name in ("go", "rust", "js", "py")
    for policy in POLICIES
    if (name, policy) != ("py", "unsigned")
]

#: The version that is agreed on with each.
VERSIONS = {
    "go": "/meshsub/1.3.0",
    "rust": "/meshsub/1.3.0",
    "js": "/meshsub/1.2.0",
    "py": "/meshsub/1.2.0",
}

#: The largest message that is sent to each in bytes.  rust-libp2p compares everything
#: that it has read with its maximum of 64 KiB.
LARGEST = {"go": 1_000_000, "js": 1_000_000, "py": 1_000_000, "rust": 56_000}

#: Is in no mesh: messages reach it by gossip alone.
LAZY = Parameters(degree=0, degreeLow=0, degreeHigh=0, degreeScore=0, degreeOut=0)


def idOf(message: Message) -> bytes:
    """
    Return the id of a message, as all foreign peers do.
    """
    return message.data[:32]


class Ours:
    """
    A node of ours that subscribes.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self._seen: list[PubSubEvent] = []
        node.events.subscribe(PubSubEvent, self._seen.append)

    async def subscribe(self) -> None:
        """
        Join the topic.
        """
        self.topic = await self.node.pubsub.join(TOPIC)
        self.messages = self.topic.subscribe()

    async def event(self, kind: Kind, other: Foreign) -> None:
        """
        Wait for an event of a peer, which may have come already.
        """

        def wanted(event: Any) -> bool:
            return isinstance(event, kind) and event.peer == other.peerID

        if not any(map(wanted, self._seen)):
            await self.node.events.next(kind, wanted)
        self._seen[:] = [each for each in self._seen if not wanted(each)]

    async def publish(self, text: str, size: int = 100) -> None:
        """
        Publish a message.
        """
        await self.topic.publish(text.encode().ljust(size))

    async def receive(self, text: str) -> tuple[int, str | None]:
        """
        Wait for the message of a text, and return its size and its author.  py-libp2p
        also repeats the last messages to a peer that has come.
        """
        async for message in self.messages:
            if message.data.decode().rstrip() == text:
                source = message.source
                return len(message.data), None if source is None else str(source)
        raise AssertionError("the subscription has ended")

    async def texts(self, count: int) -> list[str]:
        """
        Return the texts of so many messages.
        """
        return [
            (await anext(self.messages)).data.decode().rstrip() for _ in range(count)
        ]


class Net(Network):
    """
    The peers of a test.

    @ivar policy: which messages are signed.
    """

    policy = "signed"

    async def ours(
        self,
        parameters: Parameters | None = None,
        protocols: tuple[str, ...] = tuple(PROTOCOLS),
    ) -> Ours:
        """
        Start a node of ours that subscribes.
        """
        profile = Profile(
            policy=POLICIES[self.policy],
            messageID=idOf,
            parameters=parameters or Parameters(),
            protocols=protocols,
        )
        ours = Ours(await self.node(PubSub(profile)))
        await ours.subscribe()
        return ours

    async def other(self, name: str, *options: str) -> Foreign:
        """
        Start another implementation that subscribes.
        """
        other = await self.foreign(name, "pubsub", self.policy, *options)
        await other.ask("subscribe", TOPIC)
        return other

    async def meet(self, ours: Ours, other: Foreign) -> None:
        """
        Connect them, and wait until each knows that the other subscribes.
        """
        await ours.node.connect(other.address)
        await self.met(ours, other)

    async def met(self, ours: Ours, other: Foreign) -> None:
        """
        Wait until each knows that the other subscribes.
        """
        await ours.event(PeerSubscribed, other)
        await other.event("subscribed", peer=str(ours.node.peerID), topic=TOPIC)


@pytest.fixture
def net(command: Command) -> Any:
    """
    Make an empty network.
    """
    made = Net(command)
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


async def talk(net: Net, ours: Ours, other: Foreign, text: str, size: int) -> None:
    """
    Send a message in each direction.
    """
    signed = net.policy == "signed"
    await ours.publish(f"{text} of ours", size)
    line = await other.event("message", text=f"{text} of ours")
    assert (line["size"], line["topic"]) == (size, TOPIC)
    assert line.get("source") == (str(ours.node.peerID) if signed else None)
    await other.ask("publish", TOPIC, str(size), f"{text}-of-theirs")
    author = str(other.peerID) if signed else None
    assert await ours.receive(f"{text}-of-theirs") == (size, author)


@pytest.mark.parametrize(("name", "policy"), CASES)
@pytest_twisted.ensureDeferred
async def test_messages(net: Net, name: str, policy: str) -> None:
    """
    Messages of each size reach the other side, in a mesh of both.  They speak the
    highest version that both know.
    """
    net.policy = policy
    other = await net.other(name)
    ours = await net.ours()
    await net.meet(ours, other)
    await ours.event(Grafted, other)
    for size in (100, 20_000, LARGEST[name]):
        await talk(net, ours, other, f"{size}", size)
    assert ours.node.pubsub.meshOf(TOPIC) == [other.peerID]
    # It has handled our GRAFT, if it was ours, before our messages.
    assert await other.ask("mesh", TOPIC) == [str(ours.node.peerID)]
    assert f"speaks {VERSIONS[name]};" in ours.node.pubsub.explain(other.peerID)


@pytest.mark.parametrize("name", LARGEST)
@pytest_twisted.ensureDeferred
async def test_leave(net: Net, name: str) -> None:
    """
    Each leaves the mesh and the topic, and joins the topic again.
    """
    other = await net.other(name)
    ours = await net.ours()
    await net.meet(ours, other)
    await ours.event(Grafted, other)
    await other.ask("unsubscribe", TOPIC)
    await ours.event(PeerUnsubscribed, other)
    assert ours.node.pubsub.meshOf(TOPIC) == []
    await other.ask("subscribe", TOPIC)
    await ours.event(PeerSubscribed, other)
    ours.topic.leave()
    await other.event("unsubscribed", peer=str(ours.node.peerID), topic=TOPIC)
    await ours.subscribe()
    await other.event("subscribed", peer=str(ours.node.peerID), topic=TOPIC)
    # They are in no mesh for some seconds, and own messages go to all.
    await ours.publish("again")
    await other.event("message", text="again")


@pytest.mark.parametrize("name", LARGEST)
@pytest_twisted.ensureDeferred
async def test_restart(net: Net, name: str) -> None:
    """
    Either side is replaced by a new one, which dials; messages pass again.
    """
    first = await net.other(name)
    ours = await net.ours()
    await net.meet(ours, first)
    await talk(net, ours, first, "first", 100)
    await first.stop()
    second = await net.other(name)
    await second.ask("connect", str(ours.node.addresses[0]))
    await net.met(ours, second)
    await ours.event(Grafted, second)
    await talk(net, ours, second, "second", 100)
    await ours.node.stopService()
    third = await net.ours()
    await net.meet(third, second)
    await third.event(Grafted, second)
    await talk(net, third, second, "third", 100)


@pytest.mark.parametrize("name", ["go", "rust", "js"])
@pytest_twisted.ensureDeferred
async def test_gossip(net: Net, name: str) -> None:
    """
    Each asks the other for a message of which it has only been notified.
    py-libp2p 0.8.1 writes the ids in hexadecimal, which no other peer does.
    """
    # A mesh that is full takes the peers that our side has dialed: so they dial.
    near, lazy = await net.ours(), await net.ours(LAZY)
    other = await net.other(name)
    await net.meet(near, other)
    await other.ask("connect", str(lazy.node.addresses[0]))
    await net.met(lazy, other)
    await near.event(Grafted, other)
    await near.publish("theirs")
    await lazy.receive("theirs")
    last = await net.other(name)
    await last.ask("connect", str(lazy.node.addresses[0]))
    await net.met(lazy, last)
    await near.node.connect(lazy.node.addresses[0])
    await near.publish("ours")
    await last.event("message", text="ours")
    assert lazy.node.pubsub.meshOf(TOPIC) == []


@pytest_twisted.ensureDeferred
async def test_unwanted(net: Net) -> None:
    """
    A mesh peer gets to know that a large message has come, before the message.
    """
    near, middle = await net.ours(), await net.ours()
    other = await net.other("go")
    await net.meet(middle, other)
    await middle.event(Grafted, other)
    grafted = middle.node.events.next(
        Grafted, lambda event: event.peer == near.node.peerID
    )
    await near.node.connect(middle.node.addresses[0])
    await grafted
    await near.publish("large", 2000)
    await other.event("idontwant", peer=str(middle.node.peerID))
    await other.event("message", text="large")


@pytest.mark.parametrize("name", ["go", "rust", "js"])
@pytest_twisted.ensureDeferred
async def test_unwantedOfTheirs(net: Net, name: str) -> None:
    """
    A mesh peer of another implementation says that a large message has come, before it
    sends the message.
    """
    near, middle = await net.ours(), await net.ours()
    other = await net.other(name)
    for each in (near, middle):
        await net.meet(each, other)
        await each.event(Grafted, other)
    await near.publish("large", 20_000)
    await middle.receive("large")
    router = middle.node.pubsub._engine.router
    neighbour = router.neighbours.get(other.peerID.toBytes())
    assert neighbour is not None
    assert not neighbour.wants(b"large".ljust(32))


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        (name, protocol)
        for name in ("go", "rust", "js")
        for protocol in [*PROTOCOLS][1:]
        # rust-libp2p serves floodsub only by an option.
        if (name, protocol) != ("rust", "/floodsub/1.0.0")
    ],
)
@pytest_twisted.ensureDeferred
async def test_older(net: Net, name: str, protocol: str) -> None:
    """
    With a node of ours that knows one older version, they speak that.
    """
    other = await net.other(name)
    ours = await net.ours(protocols=(protocol,))
    await net.meet(ours, other)
    await talk(net, ours, other, "old", 2000)
    assert f"speaks {protocol};" in ours.node.pubsub.explain(other.peerID)


@pytest_twisted.ensureDeferred
async def test_exchange(net: Net) -> None:
    """
    A peer that leaves recommends others, which are dialed by their signed records: go
    to ours, if ours trusts it, and ours to go.
    """
    ours = await net.ours(Parameters(peerExchange=True))
    middle, far = await net.other("go", "exchange"), await net.other("go")
    await net.meet(ours, middle)
    await ours.event(Grafted, middle)
    await middle.ask("connect", far.address)
    await middle.event("subscribed", peer=str(far.peerID), topic=TOPIC)
    ours.node.pubsub.judge(middle.peerID, 100)
    opened = ours.node.events.next(OpenedConn, lambda event: event.peer == far.peerID)
    await middle.ask("unsubscribe", TOPIC)
    await opened
    await net.met(ours, far)
    last = await net.other("go")
    await net.meet(ours, last)
    for each in (far, last):
        await ours.event(Grafted, each)
    ours.topic.leave()
    await last.event("subscribed", peer=str(far.peerID), topic=TOPIC)


@pytest_twisted.ensureDeferred
async def test_all(net: Net) -> None:
    """
    Two of each implementation in one mesh: each message reaches all others.
    """
    ours = [await net.ours(), await net.ours()]
    others = [await net.other(name) for name in ("go", "rust", "js", "py") * 2]
    for i, each in enumerate(others):
        await net.meet(ours[i % 2], each)
        await each.ask("connect", others[(i + 1) % len(others)].address)
    grafted = ours[0].node.events.next(
        Grafted, lambda event: event.peer == ours[1].node.peerID
    )
    await ours[0].node.connect(ours[1].node.addresses[0])
    await grafted
    for each in others:
        for one in ours:
            if each.peerID in one.node.pubsub.peers:
                await one.event(Grafted, each)
    texts = {f"of-ours-{i}" for i in range(2)}
    for i, one in enumerate(ours):
        await one.publish(f"of-ours-{i}")
    for i, each in enumerate(others):
        await each.ask("publish", TOPIC, "100", f"of-theirs-{i}")
        texts.add(f"of-theirs-{i}")
    for one in ours:
        assert sorted(await one.texts(len(texts))) == sorted(texts)
    for i, each in enumerate(others):
        for text in texts - {f"of-theirs-{i}"}:
            await each.event("message", text=text)
