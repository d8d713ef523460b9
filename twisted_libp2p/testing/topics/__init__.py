# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Thousands of routers of gossipsub in one process and in virtual time, to try parameters,
scores and validators before a network uses them::

    network = TopicNetwork(1000, profile=Profile(parameters=Parameters(degree=8)))
    network.run(10)
    network.publish(0, b"hello")
    network.run(5)
    print(network.figures())

L{TopicNetwork} has nodes that come and go, slow uplinks, and L{sybils<Sybil>}; L{play}
plays the attacks of L{SCENARIOS} on a profile.  Everything random comes from the seed,
and so a network runs in the same way each time.
"""

from twisted_libp2p.testing.topics.attacks import SCENARIOS, Outcome, Scenario, play
from twisted_libp2p.testing.topics.figures import TopicFigures
from twisted_libp2p.testing.topics.hardening import hardening
from twisted_libp2p.testing.topics.network import TopicNetwork
from twisted_libp2p.testing.topics.nodes import TOPIC
from twisted_libp2p.testing.topics.sybil import Sybil

__all__ = [
    "SCENARIOS",
    "TOPIC",
    "Outcome",
    "Scenario",
    "Sybil",
    "TopicFigures",
    "TopicNetwork",
    "hardening",
    "play",
]
