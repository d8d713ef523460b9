# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The settings that all nodes of a network share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.pubsub.neighbours import Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import MAX_RPC
from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, Thresholds
from twisted_libp2p.pubsub.signing import MessageID, SignaturePolicy, idOfAuthor

__all__ = ["FLOODSUB", "PROTOCOLS", "Profile"]

#: The versions of gossipsub by their protocol ids, the preferred one first.
PROTOCOLS: Final = {
    "/meshsub/1.3.0": Version.GOSSIPSUB_1_3,
    "/meshsub/1.2.0": Version.GOSSIPSUB_1_2,
    "/meshsub/1.1.0": Version.GOSSIPSUB_1_1,
    "/meshsub/1.0.0": Version.GOSSIPSUB_1_0,
    "/floodsub/1.0.0": Version.FLOODSUB,
}

#: The protocols of a node that only floods.
FLOODSUB: Final = ("/floodsub/1.0.0",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    The settings of a network.  The default is that of a network of its own.

    @ivar protocols: the protocol ids, in order of preference: some of L{PROTOCOLS}, or
        L{FLOODSUB}.
    @ivar policy: which messages are signed.
    @ivar messageID: returns the id of a message.
    @ivar parameters: the numbers of the mesh.
    @ivar scores: the weights of scores.
    @ivar thresholds: the scores below which peers are served less.
    @ivar maximum: the size of the largest RPC in bytes.
    """

    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    policy: SignaturePolicy = SignaturePolicy.STRICT_SIGN
    messageID: MessageID = idOfAuthor
    parameters: Parameters = field(default_factory=Parameters)
    scores: ScoreParameters = field(default_factory=ScoreParameters)
    thresholds: Thresholds = field(default_factory=Thresholds)
    maximum: int = MAX_RPC

    def __post_init__(self) -> None:
        """
        Check the protocols.

        @raise ConfigurationError: one is unknown.
        """
        unknown = [each for each in self.protocols if each not in PROTOCOLS]
        if unknown or not self.protocols:
            raise ConfigurationError(
                f"protocols={self.protocols!r}: choose from {', '.join(PROTOCOLS)}"
            )
        if (
            self.policy is SignaturePolicy.STRICT_NO_SIGN
            and self.messageID is idOfAuthor
        ):
            raise ConfigurationError(
                "messages without authors need messageID=, such as idOfContent"
            )

    @property
    def floods(self) -> bool:
        """
        Whether it is a network of floodsub.
        """
        return self.protocols == FLOODSUB
