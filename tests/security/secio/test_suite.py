# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.suite}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.security.secio.suite import Offer, Suite


class OfferTests(SynchronousTestCase):
    """
    Tests for L{Offer}.
    """

    def test_agree(self) -> None:
        """
        Each time it is the first of the preferred side's that the other has.
        """
        ours = Offer(("P-256", "P-521"), ("AES-256", "AES-128"), ("SHA256",))
        theirs = Offer(("P-521", "P-256"), ("AES-128",), ("SHA512", "SHA256"))
        self.assertEqual(ours.agree(theirs), Suite("P-256", "AES-128", "SHA256"))
        self.assertEqual(theirs.agree(ours), Suite("P-521", "AES-128", "SHA256"))

    def test_nothingInCommon(self) -> None:
        """
        Where there is nothing in common the error tells of what.
        """
        ours = Offer(("P-256",), ("AES-256",), ("SHA256",))
        for about, theirs in (
            ("exchange", Offer(("p-256", "P-384"), ("AES-256",), ("SHA256",))),
            ("cipher", Offer(("P-256",), ("Blowfish",), ("SHA256",))),
            ("hash", Offer(("P-256",), ("AES-256",), ("",))),
        ):
            for one, other in ((ours, theirs), (theirs, ours)):
                error = self.assertRaises(InvalidInput, one.agree, other)
                self.assertIn(about, str(error))
