# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.stretch}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import hexBytes, vectors
from twisted_libp2p.security.secio.stretch import stretch
from twisted_libp2p.security.secio.suite import Suite


class StretchTests(SynchronousTestCase):
    """
    Tests for L{stretch}.
    """

    def test_vectors(self) -> None:
        """
        All pairs of a cipher and a hash give the keys of the vectors.
        """
        for name, vector in vectors("secio.stretch."):
            suite = Suite("P-256", vector["cipher"], vector["hash"])
            both = stretch(hexBytes(vector, "secret"), suite)
            for number, keys in enumerate(both, 1):
                for part in ("iv", "key", "mac"):
                    self.assertEqual(
                        getattr(keys, part), hexBytes(vector, f"k{number}_{part}"), name
                    )
