# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks of sybils on a topic, in one process and in virtual time: sybils take part in
meshes, and pass nothing on.

From the command line, at the root of the repository::

    python -m benchmarks.sybils --honest 200 --sybils 200

The scenarios are those of gossipsub-hardening: a I{cold boot} has the sybils from the
beginning, a I{covert flash} lets them behave until all stop at once, and an I{eclipse}
connects all of them with one node.  Each is played with its parameters and weights of
scores, and without scores: links of 5 to 25 ms, a mesh of 8.  The rate of messages is
lower, five a second, and a mesh peer is judged after ten seconds instead of a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from twisted_libp2p.pubsub import Parameters, ScoreParameters, Thresholds, TopicScore
from twisted_libp2p.testing.topics import TOPIC, TopicNetwork

__all__ = ["SCENARIOS", "main", "play"]

#: Messages in a second, and the seconds of each phase.
RATE, PHASE = 5, 10

#: How many phases follow the beginning of an attack.
PHASES = 3

PARAMETERS = Parameters(
    degree=8,
    degreeLow=6,
    degreeHigh=12,
    degreeScore=6,
    degreeLazy=12,
    floodPublish=False,
)

SCORES = ScoreParameters(
    topics={
        TOPIC: TopicScore(
            weight=0.25,
            timeWeight=0.0027,
            firstWeight=0.664,
            firstDecay=0.9916,
            firstCap=1500.0,
            deliveryWeight=-0.25,
            deliveryDecay=0.997,
            deliveryCap=400.0,
            deliveryThreshold=10.0,
            deliveryWindow=0.005,
            deliveryActivation=10.0,
            failureWeight=-0.25,
            failureDecay=0.997,
            invalidWeight=-99.0,
            invalidDecay=0.9994,
        )
    }
)

THRESHOLDS = Thresholds(
    gossip=-4000.0,
    publish=-5000.0,
    graylist=-10000.0,
    acceptPX=0.0,
    opportunisticGraft=0.0,
)

SCENARIOS = ("cold boot", "covert flash", "eclipse")


def play(scenario: str, honest: int, sybils: int, scored: bool) -> Iterator[float]:
    """
    Play a scenario.

    @return: for each phase of the attack the share of the honest nodes that have got a
        message, on average; for an eclipse the share of the messages that the node has
        got.
    """
    network = TopicNetwork(
        honest + sybils,
        parameters=PARAMETERS,
        scores=SCORES if scored else None,
        thresholds=THRESHOLDS if scored else None,
        latency=(0.005, 0.025),
        mute=0 if scenario == "covert flash" else sybils,
    )
    if scenario == "eclipse":
        for number in range(honest, honest + sybils):
            network.connect(number, 0)
    network.run(3)
    if scenario == "covert flash":
        _publish(network, honest, 2 * PHASE)
        network.mute.update(range(honest, honest + sybils))
    for _ in range(PHASES):
        network.begin()
        _publish(network, honest, PHASE)
        figures = network.figures()
        alone = network.received[0] / figures.published
        yield alone if scenario == "eclipse" else figures.delivered


def _publish(network: TopicNetwork, honest: int, seconds: int) -> None:
    """
    Let honest nodes publish: all but the first one, which may be the victim.
    """
    for number in range(seconds * RATE):
        author = 1 + (7 * number) % (honest - 1)
        network.publish(author, b"%f" % network.now)
        network.run(1 / RATE)


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Play all scenarios, and print a line for each.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--honest", type=int, default=200)
    parser.add_argument("--sybils", type=int, default=200)
    options = parser.parse_args(arguments)
    for scenario in SCENARIOS:
        for scored in (False, True):
            shares = play(scenario, options.honest, options.sybils, scored)
            text = ", ".join(f"{100 * each:.1f} %" for each in shares)
            name = "with scores" if scored else "without scores"
            print(f"{scenario}, {name}: {text} delivered", flush=True)


if __name__ == "__main__":
    main()
