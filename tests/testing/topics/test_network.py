# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.topics.network}: small networks in virtual time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub import (
    Parameters,
    Profile,
    SignaturePolicy,
    TopicMessage,
    Validation,
    idOfContent,
)
from twisted_libp2p.pubsub.validation import Validator
from twisted_libp2p.testing.topics import TopicFigures, TopicNetwork

#: A run with everything that is random: losses, sybils, churn, slow uplinks.
COURSE = """
from twisted_libp2p.testing.topics import TopicNetwork

def course(seed):
    network = TopicNetwork(25, dials=5, seed=seed)
    network.slow(3, 5000)
    for _ in range(5):
        network.addSybil(range(0, 20, 2), drop=0.5)
    network.churn(1.0, 3.0)
    network.run(3)
    for number in range(5):
        network.publish(network.honest[number], bytes(1500) + b"%d" % number)
        network.run(1)
    return network.digest()

if __name__ == "__main__":
    print(course(1))
"""


class NetworkTests(SynchronousTestCase):
    """
    Forty nodes.
    """

    def play(self, network: TopicNetwork) -> TopicFigures:
        """
        Publish a few messages.
        """
        network.run(5)
        for number in range(3):
            network.publish(network.honest[number], b"%d" % number)
            network.run(1)
        network.run(3)
        return network.figures()

    def test_honest(self) -> None:
        """
        Each message reaches all nodes, along meshes of the right size.
        """
        figures = self.play(TopicNetwork(40))
        self.assertEqual((figures.published, figures.delivered), (3, 1.0))
        self.assertEqual(len(figures.latencies), 3 * 39)
        parameters = Parameters()
        self.assertGreaterEqual(figures.degree, parameters.degreeLow)
        self.assertLessEqual(figures.degree, parameters.degreeHigh)
        self.assertLessEqual(figures.percentile(0.5), figures.percentile(1.0))
        self.assertEqual(figures.within(figures.percentile(1.0)), 1.0)
        self.assertEqual(figures.captured, 0.0)

    def test_unsigned(self) -> None:
        """
        A network whose messages have no authors works in the same way.
        """
        policy = SignaturePolicy.STRICT_NO_SIGN
        profile = Profile(policy=policy, messageID=idOfContent)
        network = TopicNetwork(40, profile=profile)
        self.assertEqual(self.play(network).delivered, 1.0)
        with self.assertRaisesRegex(ValueError, "has to be new"):
            network.publish(0, b"0")

    def test_deterministic(self) -> None:
        """
        A seed gives the same course each time, also in a process whose hashes of bytes
        are others; another seed gives another one.
        """
        space: dict[str, str] = {}
        names: dict[str, object] = {"__name__": "course"}
        exec(COURSE, names)
        course = names["course"]
        assert callable(course)
        digest = course(1)
        self.assertNotEqual(digest, course(2))
        space = {**os.environ, "PYTHONHASHSEED": "4711"}
        space["PYTHONPATH"] = str(Path(__file__).parents[3])
        printed = subprocess.run(
            [sys.executable, "-c", COURSE],
            env=space,
            capture_output=True,
            check=True,
            text=True,
        )
        self.assertEqual(printed.stdout.strip(), digest)

    def test_cut(self) -> None:
        """
        A node that is cut off gets nothing, until it is connected again.
        """
        network = TopicNetwork(20, dials=4)
        network.run(3)
        network.disconnect(7)
        network.publish(0, b"lost")
        network.run(10)
        self.assertEqual(len(network.figures().latencies), 18)
        network.connect(7, 0)
        network.run(3)
        since = network.now
        network.publish(0, b"found")
        network.run(3)
        self.assertEqual(network.figures(since).delivered, 1.0)
        self.assertEqual(network.figures(until=since).published, 1)
        self.assertEqual(network.figures(nodes={7}).delivered, 0.5)
        self.assertEqual(network.figures(authors={1}).published, 0)

    def test_crashed(self) -> None:
        """
        A node that goes down counts no longer, and publishes nothing; when it is back,
        it gets messages.
        """
        network = TopicNetwork(20, dials=4)
        network.run(3)
        network.publish(0, b"before")
        network.crash(7)
        with self.assertRaisesRegex(ValueError, "node 7 is down"):
            network.publish(7, b"never")
        network.run(3)
        self.assertEqual(network.figures().delivered, 1.0)
        self.assertEqual(len(network.figures().latencies), 18)
        self.assertNotIn(7, network.honest)
        network.restart(7)
        self.assertEqual(network.add(), 20)
        network.run(3)
        network.publish(7, b"after")
        network.run(3)
        self.assertEqual(network.figures().delivered, 1.0)
        self.assertEqual(len(network.figures().latencies), 18 + 20)

    def test_churn(self) -> None:
        """
        Messages reach the nodes that stay, while others come and go.
        """
        network = TopicNetwork(40)
        network.churn(0.5, 4.0)
        figures = self.play(network)
        self.assertEqual(figures.delivered, 1.0)
        self.assertEqual(len(network.honest), 40 - 8)

    def test_slow(self) -> None:
        """
        The uplink of a node delays its messages by their size, and peers that have one
        from others already do not get it from there.
        """
        figures = []
        for slow in (False, True):
            network = TopicNetwork(20)
            if slow:
                network.slow(0, 20_000)
            network.run(3)
            network.publish(0, bytes(2000))
            network.run(5)
            figures.append(network.figures())
        quick, late = figures
        self.assertEqual(late.delivered, 1.0)
        self.assertGreaterEqual(late.latencies[0], quick.latencies[0] + 0.1)
        self.assertLess(late.copies, quick.copies)

    def test_validator(self) -> None:
        """
        Each node has a validator of its own, which takes its time, and sees the peer
        ids of authors and senders.
        """
        seen: list[TopicMessage] = []

        def make(number: int) -> Validator:
            def check(message: TopicMessage) -> Validation:
                seen.append(message)
                spam = message.data.startswith(b"spam")
                return Validation.REJECT if spam else Validation.ACCEPT

            return check

        network = TopicNetwork(10, validator=make, validationTime=0.2)
        sybil = network.addSybil(range(10))
        network.run(3)
        network.publish(0, b"news")
        network.run(3)
        figures = network.figures()
        self.assertEqual(figures.delivered, 1.0)
        self.assertGreaterEqual(figures.latencies[0], 0.2)
        network.publish(sybil, b"spam")
        network.run(0.5)
        self.assertEqual(network.figures(authors={sybil}).delivered, 0.0)
        self.assertLess(network.scoreOf(3, sybil), 0)
        self.assertEqual(seen[0].source, network.peerID(0))
        self.assertEqual(seen[-1].sender, network.peerID(sybil))
        network.run(2)
        self.assertNotIn(sybil, network.meshOf(3))

    def test_silence(self) -> None:
        """
        A network without nodes, and one without messages, have figures.
        """
        for count in (0, 3):
            network = TopicNetwork(count)
            network.run(1)
            figures = network.figures()
            self.assertEqual((figures.published, figures.delivered), (0, 1.0))
            self.assertEqual((figures.percentile(0.5), figures.within(1)), (0.0, 1.0))
