# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The routers of gossipsub against a model: peers connect, join, publish, leave and go in
any order, beside a peer that says anything.  The model is the graph of the connections:
each message reaches everybody whom it connects with the author by members of the topic.
"""

from __future__ import annotations

from itertools import combinations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from tests.pubsub.test_router import NEWEST, RULES, World, note
from twisted_libp2p.pubsub.actions import Action, Forward, Send
from twisted_libp2p.pubsub.neighbours import Neighbour
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC, Prune

COUNT = 8

#: Meshes that have to grow and to shrink; gossip goes to everybody else, and so it does
#: not depend on chance whether a message comes.
PARAMETERS = Parameters(
    degree=3, degreeLow=2, degreeHigh=4, degreeScore=2, degreeOut=1, degreeLazy=COUNT
)

#: The longest way between two routers, which gossip alone takes a hop a heartbeat.
HEARTBEATS = COUNT

STRANGER = b"stranger"

NUMBERS = st.integers(0, COUNT - 1)

IDS = st.lists(st.binary(max_size=8), max_size=5)

#: What the stranger says.
RPCS = st.builds(
    RPC,
    st.lists(st.tuples(st.sampled_from(["news", "x"]), st.booleans()), max_size=3),
    st.lists(st.binary(max_size=4).map(note), max_size=2),
    st.lists(st.tuples(st.sampled_from(["news", "x"]), IDS), max_size=2),
    IDS,
    st.lists(st.sampled_from(["news", "x"]), max_size=2),
    st.lists(st.builds(Prune, st.just("news"), st.integers(0, 2**64 - 1)), max_size=2),
    IDS,
)


class Checked(World):
    """
    Routers whose actions are checked.
    """

    def take(self, key: bytes, actions: list[Action]) -> None:
        """
        Take the actions of a router: no graft may come in the time of a backoff.
        """
        backoffs = self.routers[key].mesh.backoffs
        honest = []
        for each in actions:
            if isinstance(each, Send | Forward) and each.peer == STRANGER:
                continue
            if isinstance(each, Send):
                for topic in each.rpc.graft:
                    assert backoffs.until(topic, each.peer) is None, (key, each)
            honest.append(each)
        super().take(key, honest)


class Model(RuleBasedStateMachine):
    """
    The graph, and the members of the topic.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = Checked(COUNT, 1, PARAMETERS)
        self.keys = list(self.world.routers)
        self.links: set[tuple[bytes, bytes]] = set()
        self.members: set[bytes] = set()
        self.published = 0
        for one, other in combinations(self.keys[:4], 2):
            self._link(one, other)
        for key in self.keys[:4]:
            self._join(key)

    def _link(self, one: bytes, other: bytes) -> None:
        self.links.add((one, other))
        self.world.link(one, other)

    def _join(self, key: bytes) -> None:
        self.members.add(key)
        self.world.take(key, self.world.routers[key].join("news", RULES))
        self.world.run()

    def _reached(self, author: bytes) -> set[bytes]:
        """
        Return the members that the graph connects with an author by members.
        """
        found, edge = {author}, [author]
        while edge:
            here = edge.pop()
            for pair in self.links:
                if here in pair:
                    (there,) = set(pair) - {here}
                    if there in self.members and there not in found:
                        found.add(there)
                        edge.append(there)
        return found & self.members

    @rule(one=NUMBERS, other=NUMBERS)
    def connect(self, one: int, other: int) -> None:
        """
        Connect two routers, or disconnect them.
        """
        pair = self.keys[min(one, other)], self.keys[max(one, other)]
        if pair in self.links:
            self.links.discard(pair)
            self.world.cut(*pair)
            for near, far in (pair, pair[::-1]):
                router = self.world.routers[near]
                assert router.neighbours.get(far) is None
                assert far not in router.mesh.peers.get("news", {})
                assert all(
                    far not in it for it in router.gossip.promises._made.values()
                )
        elif one != other:
            self._link(*pair)

    @rule(number=NUMBERS)
    def join(self, number: int) -> None:
        """
        Join the topic, or leave it.
        """
        key = self.keys[number]
        if key not in self.members:
            self._join(key)
        else:
            self.members.discard(key)
            self.world.take(key, self.world.routers[key].leave("news"))
            self.world.run()

    @rule(count=st.integers(1, 15))
    def beat(self, count: int) -> None:
        """
        Let heartbeats pass.
        """
        self.world.beat(count)

    @rule(number=NUMBERS, size=st.sampled_from([10, 2000]), rest=st.booleans())
    def publish(self, number: int, size: int, rest: bool) -> None:
        """
        Publish a message, which reaches everybody whom it can reach; after it was sent,
        the author may go.
        """
        self.published += 1
        data = b"%d " % self.published + bytes(size)
        key = self.keys[number]
        reached = self._reached(key)
        self.world.publish(key, data)
        if not rest and len(reached) > 2:
            self.join(number)
            reached = self._reached(key) - {key}
        self.world.beat(HEARTBEATS)
        for each in reached:
            assert data in self.world.heard[each], (key, each)

    @rule(number=NUMBERS, rpc=RPCS)
    def stranger(self, number: int, rpc: RPC) -> None:
        """
        Let a stranger say something.
        """
        router = self.world.routers[self.keys[number]]
        for actions in (
            router.peerUp(STRANGER),
            router.negotiated(STRANGER, NEWEST),
            router.received(STRANGER, rpc),
        ):
            self.world.take(self.keys[number], actions)
        self.world.run()

    @invariant()
    def once(self) -> None:
        """
        Nobody has got a message twice.
        """
        for heard in self.world.heard.values():
            assert len(heard) == len(set(heard)), heard

    @invariant()
    def meshes(self) -> None:
        """
        A mesh has connected and subscribed peers alone, and no more than are allowed:
        those that we have dialed come on top.
        """
        for key, router in self.world.routers.items():
            assert set(router.mesh.peers) == ({"news"} & set(router.joined))
            assert not set(router._fanouts) & set(router.joined)
            mesh: dict[bytes, Neighbour] = router.mesh.peers.get("news", {})
            for peer, neighbour in mesh.items():
                known = router.neighbours.get(peer)
                assert known is not None and known is neighbour, (key, peer)
                assert "news" in known.topics, (key, peer)
            inbound = [each for each in mesh.values() if not each.outbound]
            assert len(inbound) <= PARAMETERS.degreeHigh, (key, mesh)

    @invariant()
    def honest(self) -> None:
        """
        No honest peer is blamed.
        """
        for router in self.world.routers.values():
            for each in router.neighbours:
                score = router.scores.score(each.key)
                assert score >= 0 or each.key == STRANGER, (each.key, score)


class ModelTests(SynchronousTestCase):
    """
    The model.
    """

    def test_model(self) -> None:
        """
        Messages reach all, once, whatever happens.
        """
        explore(Model, 10, 25)
