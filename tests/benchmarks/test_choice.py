# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.choice}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.choice import Choice, NoSuchName


class ChoiceTests(SynchronousTestCase):
    """
    Tests for L{Choice}.
    """

    def choice(self, only: str) -> Choice:
        """
        Choose.
        """
        return Choice(
            only,
            stacks=("noise+yamux", "tls+yamux"),
            usual=("upload", "ping"),
            special=("growth",),
        )

    def test_all(self) -> None:
        """
        Without a word it is all that is usual.
        """
        choice = self.choice("")
        self.assertEqual(choice.stacks, ["noise+yamux", "tls+yamux"])
        self.assertEqual(choice.works, ["upload", "ping"])

    def test_stacks(self) -> None:
        """
        A word that names stacks leaves the works as they are.
        """
        choice = self.choice("tls")
        self.assertEqual(choice.stacks, ["tls+yamux"])
        self.assertEqual(choice.works, ["upload", "ping"])

    def test_works(self) -> None:
        """
        And the other way round; several words name several.
        """
        choice = self.choice("load, growth")
        self.assertEqual(choice.stacks, ["noise+yamux", "tls+yamux"])
        self.assertEqual(choice.works, ["upload", "growth"])

    def test_nothing(self) -> None:
        """
        A word that names nothing is an error.
        """
        self.assertRaises(NoSuchName, self.choice, "uplaod")
