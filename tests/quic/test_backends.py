# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of L{twisted_libp2p.quic.backends}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.quic import backends


class BackendTests(SynchronousTestCase):
    """
    A backend is found by its name, or the first one that is installed is taken.
    """

    def setUp(self) -> None:
        """
        Forget which backends have been tested.
        """
        self.patch(backends, "_tested", {})

    def _install(self, **packages: str) -> None:
        """
        Let there be these backends, each with the package that it needs.
        """
        named = {
            name: (f"{package}.Backend", package, f"install {name}")
            for name, package in packages.items()
        }
        self.patch(backends, "BACKENDS", named)

    def test_unknown(self) -> None:
        """
        A wrong name is refused with the right ones.
        """
        error = self.assertRaises(ConfigurationError, backends.backendNamed, "lsquic")
        self.assertEqual(
            str(error), "no QUIC backend 'lsquic': choose from auto, native, aioquic"
        )

    def test_none(self) -> None:
        """
        If none is installed, the error says how to install the last one.
        """
        self._install(quick="no_such_quick", usual="no_such_usual")
        error = self.assertRaises(ConfigurationError, backends.backendNamed)
        self.assertIn("install usual", str(error))
        self.assertFalse(backends.installed())

    def test_broken(self) -> None:
        """
        A backend that is installed and cannot be imported is not passed over.
        """
        # The package is there, and has no such class.
        self._install(quick="json", usual="no_such_usual")
        error = self.assertRaises(ConfigurationError, backends.backendNamed)
        self.assertIn("install quick", str(error))
