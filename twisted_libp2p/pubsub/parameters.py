# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The numbers that shape the mesh of gossipsub.

See libp2p/specs, pubsub/gossipsub/gossipsub-v1.0.md, "Parameters", and its successors.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from twisted_libp2p.errors import ConfigurationError

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """
    The numbers of a router.

    All degrees may be 0: such a node is in no mesh, and only gossips.

    @ivar degree: the number of peers of a mesh that is aimed at (D).
    @ivar degreeLow: the number below which peers are grafted.
    @ivar degreeHigh: the number from which peers are pruned.
    @ivar degreeScore: how many peers with the best scores stay when peers are pruned.
    @ivar degreeOut: how many peers of a mesh we have to have dialed ourselves.
    @ivar degreeLazy: the least number of peers that are notified of messages.
    @ivar gossipFactor: the share of the peers outside of the mesh that are notified.
    @ivar heartbeat: seconds between two heartbeats.
    @ivar firstHeartbeat: seconds before the first one.
    @ivar fanoutTime: seconds for which the peers are kept to which we have published
        without having joined.
    @ivar historyLength: heartbeats for which messages are kept for peers that ask.
    @ivar historyGossip: heartbeats for which peers are notified of a message.
    @ivar seenTime: seconds for which a message is known as seen.
    @ivar pruneBackoff: seconds before a pruned peer is grafted again.
    @ivar unsubscribeBackoff: the same after we have left the topic.
    @ivar graftFloodTime: seconds after a prune in which a graft is a fault twice.
    @ivar promiseTime: seconds in which a peer has to send a message for which it was
        asked.
    @ivar haveRPCs: how many notifications of one peer count in one heartbeat.
    @ivar haveIDs: for how many messages one peer is asked in one heartbeat.
    @ivar answers: how often one peer gets the same message when it asks.
    @ivar answerBytes: how many bytes one peer gets in one heartbeat when it asks.
    @ivar unwantedSize: the size of a message, in bytes, from which mesh peers are told
        that it has come, so that they need not send it.
    @ivar unwantedTime: heartbeats for which a peer gets no message that it does not
        want.
    @ivar unwantedRPCs: how many such notes of one peer count in one heartbeat.
    @ivar unwantedIDs: how many unwanted messages of one peer are known.
    @ivar opportunisticTicks: heartbeats between two checks whether the mesh is poor.
    @ivar opportunisticPeers: how many better peers are grafted then.
    @ivar floodPublish: whether own messages go to all peers of the topic.
    @ivar peerExchange: whether pruned peers are told of others, and are believed.
    @ivar exchangedPeers: how many peers are recommended to a pruned one.
    @ivar testExtension: whether the extension of the tests of gossipsub 1.3 is offered.
    """

    degree: int = 6
    degreeLow: int = 5
    degreeHigh: int = 12
    degreeScore: int = 4
    degreeOut: int = 2
    degreeLazy: int = 6
    gossipFactor: float = 0.25
    heartbeat: float = 1.0
    firstHeartbeat: float = 0.1
    fanoutTime: float = 60.0
    historyLength: int = 5
    historyGossip: int = 3
    seenTime: float = 120.0
    pruneBackoff: int = 60
    unsubscribeBackoff: int = 10
    graftFloodTime: float = 10.0
    promiseTime: float = 3.0
    haveRPCs: int = 10
    haveIDs: int = 5000
    answers: int = 3
    answerBytes: int = 16 << 20
    unwantedSize: int = 1024
    unwantedTime: int = 3
    unwantedRPCs: int = 1000
    unwantedIDs: int = 10_000
    opportunisticTicks: int = 60
    opportunisticPeers: int = 2
    floodPublish: bool = True
    peerExchange: bool = False
    exchangedPeers: int = 16
    testExtension: bool = False

    def __post_init__(self) -> None:
        """
        Check the numbers.

        @raise ConfigurationError: they contradict each other; the text says which.
        """
        for name, value in asdict(self).items():
            if not value >= 0:
                raise ConfigurationError(f"{name}={value}: it has to be 0 or more")
        if not self.degreeLow <= self.degree <= self.degreeHigh:
            raise ConfigurationError(
                f"degreeLow <= degree <= degreeHigh has to hold, not {self.degreeLow},"
                f" {self.degree}, {self.degreeHigh}"
            )
        if self.degree and not (
            self.degreeOut < self.degreeLow and self.degreeOut <= self.degree // 2
        ):
            raise ConfigurationError(
                f"degreeOut={self.degreeOut}: it has to be below degreeLow"
                f" ({self.degreeLow}), and at most half of degree ({self.degree})"
            )
        if self.degreeScore > self.degreeHigh:
            raise ConfigurationError(
                f"degreeScore={self.degreeScore}: it has to be at most degreeHigh"
                f" ({self.degreeHigh})"
            )
        if not 1 <= self.historyGossip <= self.historyLength:
            raise ConfigurationError(
                f"1 <= historyGossip <= historyLength has to hold, not"
                f" {self.historyGossip}, {self.historyLength}"
            )
        if self.heartbeat < 0.01:
            raise ConfigurationError(
                f"heartbeat={self.heartbeat}: give 0.01 seconds or more, such as 1"
            )
