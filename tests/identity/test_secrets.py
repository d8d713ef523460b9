# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.identity.secrets}; those of the identity cover the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_IMODE

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import secrets


class ReplaceSecretTests(SynchronousTestCase):
    """
    Tests for L{secrets.replaceSecret}.
    """

    def setUp(self) -> None:
        """
        Have a folder.
        """
        self.path = Path(self.mktemp())

    def test_replaced(self) -> None:
        """
        The file has the new content, for this user alone, and nothing else is left.
        """
        for content in (b"one", b"two"):
            secrets.replaceSecret(self.path, content)
            self.assertEqual(self.path.read_bytes(), content)
        self.assertEqual(S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(
            [each.name for each in self.path.parent.glob(f"{self.path.name}*")],
            [self.path.name],
        )

    def test_crash(self) -> None:
        """
        After a crash before the last step the old content is there, and the next try
        succeeds.
        """
        secrets.replaceSecret(self.path, b"one")

        def crash(*_: object) -> None:
            raise OSError

        patch = self.patch(os, "replace", crash)
        self.assertRaises(OSError, secrets.replaceSecret, self.path, b"two")
        self.assertEqual(self.path.read_bytes(), b"one")
        patch.restore()
        secrets.replaceSecret(self.path, b"two")
        self.assertEqual(self.path.read_bytes(), b"two")
