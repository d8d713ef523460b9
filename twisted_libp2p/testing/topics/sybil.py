# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hostile peer of a topic, for simulations.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from random import Random

from twisted_libp2p.pubsub.actions import Action, Forward, Send
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC

__all__ = ["Sybil"]


class Sybil:
    """
    A peer that takes part in every mesh it can, to do harm there: like that of
    gossipsub-hardening it grafts each peer of the topic, takes every graft, obeys
    prunes, grafts again after the backoff, and gossips never.

    @ivar drop: the share of the messages that it does not pass on.
    @ivar censored: the peers whose messages it does not pass on, by their ids in bytes.
    @ivar delay: seconds for which it holds back the messages that it passes on.
    @ivar attacking: whether it does so; otherwise it passes everything on at once.
    @ivar regraft: seconds after a prune before it grafts again, up to a quarter longer.
    @ivar mesh: the peers whose mesh it believes to be in.
    """

    def __init__(
        self,
        topic: str,
        now: Callable[[], float],
        random: Random,
        *,
        drop: float = 1.0,
        censored: Set[bytes] = frozenset(),
        delay: float = 0.0,
        attacking: bool = True,
        regraft: float = 60.0,
    ) -> None:
        self._topic = topic
        self._now = now
        self._random = random
        self.drop = drop
        self.censored = censored
        self.delay = delay
        self.attacking = attacking
        self.regraft = regraft
        self.mesh: dict[bytes, None] = {}
        self._peers: dict[bytes, None] = {}
        self._seen: set[bytes] = set()
        self._later: dict[bytes, float] = {}

    def peerDown(self, peer: bytes) -> list[Action]:
        """
        Forget a peer.
        """
        for each in (self._peers, self.mesh, self._later):
            each.pop(peer, None)
        return []

    def publish(self, message: Message) -> list[Action]:
        """
        Send a message of its own to all peers of the topic.
        """
        self._seen.add(message.id)
        return [Forward(peer, message) for peer in self._peers]

    def received(self, peer: bytes, rpc: RPC) -> list[Action]:
        """
        Handle an RPC.
        """
        actions: list[Action] = []
        if (self._topic, True) in rpc.subscriptions and peer not in self._peers:
            self._peers[peer] = None
            self.mesh[peer] = None
            both = RPC(subscriptions=[(self._topic, True)], graft=[self._topic])
            actions.append(Send(peer, both))
        if rpc.graft:
            self.mesh[peer] = None
        if rpc.prune:
            self.mesh.pop(peer, None)
            wait = self.regraft * (1 + self._random.random() / 4)
            self._later[peer] = self._now() + wait
        for each in rpc.messages:
            if each.id not in self._seen:
                self._seen.add(each.id)
                if not self._drops(each):
                    actions += self._passes(each, peer)
        return actions

    def _drops(self, message: Message) -> bool:
        return self.attacking and (
            message.source in self.censored or self._random.random() < self.drop
        )

    def _passes(self, message: Message, sender: bytes) -> list[Action]:
        return [
            Forward(peer, message)
            for peer in self.mesh
            if peer != sender and peer != message.source
        ]

    def heartbeat(self) -> list[Action]:
        """
        Graft the peers again whose backoff is over.
        """
        now = self._now()
        due = [peer for peer, at in self._later.items() if at <= now]
        for peer in due:
            del self._later[peer]
            self.mesh[peer] = None
        return [Send(peer, RPC(graft=[self._topic])) for peer in due]
