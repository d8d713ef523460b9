# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.negotiation.protocolids}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.negotiation.multistream import MAX_PROTOCOL_ID
from twisted_libp2p.negotiation.protocolids import proposals


class ProposalsTests(SynchronousTestCase):
    """
    Protocol ids are checked before they are used.
    """

    def test_good(self) -> None:
        """
        One id and several are both taken.
        """
        self.assertEqual(proposals("/a"), ("/a",))
        self.assertEqual(proposals(iter(["/a", "b"])), ("/a", "b"))
        longest = "x" * MAX_PROTOCOL_ID
        self.assertEqual(proposals(longest), (longest,))

    def test_bad(self) -> None:
        """
        Everything else is refused by one line that says why.
        """
        bad: list[tuple[Any, str]] = [
            ("", "it needs 1 to"),
            ("x" * (MAX_PROTOCOL_ID + 1), "it needs 1 to"),
            ("/a\n", "without a newline"),
            ("\ud800", "not valid Unicode"),
            ("na", "a word of multistream-select itself"),
            (b"/a", "it has to be a str"),
            (["/a", 7], "it has to be a str"),
            (7, "neither a protocol id nor a list of them"),
            ([], "no protocol id is given"),
        ]
        for protocols, problem in bad:
            error = self.assertRaises(ConfigurationError, proposals, protocols)
            self.assertIn(problem, str(error))
