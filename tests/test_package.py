# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the names that the package itself offers.
"""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import twisted_libp2p


class PackageTests(SynchronousTestCase):
    """
    Every public name is there, and costs nothing before it is used.
    """

    def test_names(self) -> None:
        """
        Each name leads to what is called so.
        """
        for name in twisted_libp2p.__all__:
            value = getattr(twisted_libp2p, name)
            if name != "__version__":
                self.assertEqual(value.__name__, name)

    def test_noSuchName(self) -> None:
        """
        Other names are not there.
        """
        with self.assertRaises(AttributeError):
            twisted_libp2p.nothing  # noqa: B018

    def test_light(self) -> None:
        """
        Importing the package imports no reactor, nor even Twisted.
        """
        program = "import sys, twisted_libp2p; print('twisted' in sys.modules)"
        answer = subprocess.check_output([sys.executable, "-c", program])
        self.assertEqual(answer.strip(), b"False")
