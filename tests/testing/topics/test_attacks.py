# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.topics.attacks}: small networks in virtual time.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub import Profile
from twisted_libp2p.testing.topics import SCENARIOS, TOPIC, Outcome, hardening, play


def hasty(scored: bool) -> Profile:
    """
    Return a profile that judges mesh peers after five seconds instead of a minute.
    """
    profile = hardening(2.0, scored)
    if not scored:
        return profile
    weights = replace(profile.scores.topics[TOPIC], deliveryActivation=5.0)
    return replace(profile, scores=replace(profile.scores, topics={TOPIC: weights}))


def attacked(name: str, scored: bool = True, seconds: float = 4.0) -> Outcome:
    """
    Play an attack on a few nodes.
    """
    (scenario,) = [each for each in SCENARIOS if each.name == name]
    if scenario.degree > 10:
        scenario = replace(scenario, degree=10)
    return play(
        scenario, hasty(scored), honest=20, rate=2.0, before=2, seconds=seconds, step=2
    )


class AttackTests(SynchronousTestCase):
    """
    The scenarios, with scores and without.
    """

    def test_delivered(self) -> None:
        """
        In no scenario is a message lost: gossip goes around the sybils.
        """
        for each in SCENARIOS:
            outcome = attacked(each.name)
            self.assertEqual(outcome.figures.delivered, 1.0, each.name)
            self.assertEqual([step.until for step in outcome.steps], [2, 4])

    def test_scored(self) -> None:
        """
        Scores drive sybils that pass nothing on out of the meshes that they hold
        without scores.
        """
        without, scored = (
            attacked("attack at dawn", each, 12.0).steps[-1].captured
            for each in (False, True)
        )
        self.assertLess(scored, without)

    def test_repeated(self) -> None:
        """
        A seed gives the same course each time.
        """
        first, second = (attacked("covert flash") for _ in range(2))
        self.assertEqual(first, second)

    def test_unscored(self) -> None:
        """
        Without scores nobody has one.
        """
        self.assertEqual(hasty(False).scores.default.invalidWeight, 0.0)
        self.assertEqual(hasty(False).scores.topics, {})

    def test_recovered(self) -> None:
        """
        The time of the recovery is that of the last late part, none without one.
        """
        self.assertEqual(attacked("no attack").recovered, 0.0)
