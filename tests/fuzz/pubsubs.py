# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the RPCs of pubsub, and a router that reads them.
"""

from __future__ import annotations

from random import Random

from tests.fuzz.target import target
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.pubsub import (
    Parameters,
    ScoreParameters,
    SignaturePolicy,
    Thresholds,
    idOfContent,
)
from twisted_libp2p.pubsub.actions import Check, Verdict
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.neighbours import Version
from twisted_libp2p.pubsub.rpc import MAX_ID_SIZE, MAX_PX_PEERS, RPC
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.splitting import CONTROL_SIZE, split

__all__ = ["pubsubRPCs", "pubsubRouters"]

_RULES = TopicRules(SignaturePolicy.STRICT_NO_SIGN, idOfContent)


@target
def pubsubRPCs(data: bytes) -> None:
    """
    An RPC is a violation, or bounded; it is the same after it was written again, and
    its control is cut into small RPCs.
    """
    try:
        rpc = RPC.fromBytes(data)
    except ProtocolViolation:
        return
    for ids in (rpc.want, rpc.unwanted, *(ids for _, ids in rpc.have)):
        assert all(len(each) <= MAX_ID_SIZE for each in ids)
    assert all(len(each.peers) <= MAX_PX_PEERS for each in rpc.prune)
    for part in split(rpc):
        assert len(part.toBytes()) <= max(CONTROL_SIZE, len(data) + 64)
    written = rpc.toBytes()
    assert RPC.fromBytes(written).toBytes() == written


@target
def pubsubRouters(data: bytes) -> None:
    """
    A router takes any RPC of a peer, and keeps nothing of the peer when it is gone.
    """
    try:
        rpc = RPC.fromBytes(data)
    except ProtocolViolation:
        return
    now = [0.0]
    scores = Scores(ScoreParameters(), lambda: now[0])
    router = GossipRouter(
        b"own",
        lambda: now[0],
        Random(1),
        Parameters(peerExchange=True, testExtension=True),
        scores,
        Thresholds(acceptPX=0.0),
    )
    router.join("t", _RULES)
    router.peerUp(b"peer", True)
    router.negotiated(b"peer", Version.GOSSIPSUB_1_3)
    for _ in range(2):
        for action in router.received(b"peer", rpc):
            if isinstance(action, Check):
                router.authentic(action.message.id)
                router.verdict(action.message.id, Verdict.ACCEPTED)
        now[0] += 1.0
        router.heartbeat()
    router.peerDown(b"peer")
    now[0] += 4000.0
    router.heartbeat()
    assert not router.neighbours.of("t") and not router.mesh.peers["t"]
    assert not len(router.mesh.backoffs) and not router.gossip.promises.broken()
