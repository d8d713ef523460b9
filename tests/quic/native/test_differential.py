# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The same scenarios over both backends.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained, seeds
from tests.quic.native import requireNative
from tests.quic.native.differential import play
from twisted_libp2p.quic.aioquic.backend import AioquicBackend

SCENARIOS = 25


class DifferentialTests(SynchronousTestCase):
    """
    Both backends give the same account of a scenario.
    """

    def setUp(self) -> None:
        """
        Make both backends.
        """
        self.native = requireNative().NativeBackend()
        self.aioquic = AioquicBackend()

    def compared(self, *accounts: list[str]) -> None:
        """
        Check that all accounts are the same.
        """
        first, *others = accounts
        for each in others:
            self.assertEqual(first, each)

    def test_alike(self) -> None:
        """
        Two ends of one backend do as two ends of the other.
        """
        for seed in seeds(SCENARIOS):
            with explained(f"seed {seed}".format):
                self.compared(play(seed, self.native), play(seed, self.aioquic))

    def test_mixed(self) -> None:
        """
        One end of each backend does as well, whoever dials.
        """
        for seed in seeds(SCENARIOS // 3):
            with explained(f"seed {seed}".format):
                self.compared(
                    play(seed, self.native),
                    play(seed, self.native, self.aioquic),
                    play(seed, self.aioquic, self.native),
                )
