# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the mode and the owner of sockets, in text.
"""

from __future__ import annotations

import grp
import os
import pwd

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.transport.unix.access import fileMode, fileOwner


class AccessTests(SynchronousTestCase):
    """
    Tests for L{fileMode} and L{fileOwner}.
    """

    def test_mode(self) -> None:
        """
        A mode has octal digits, and nothing but the rights of the three classes.
        """
        for text, mode in (("600", 0o600), ("0660", 0o660), ("0", 0), ("777", 0o777)):
            self.assertEqual(fileMode(text), mode)
        for text in ("", "800", "rw", "1777", "00660", "-1", "0o600", "6 0"):
            error = self.assertRaises(ValueError, fileMode, text)
            self.assertIn("600", str(error))

    def test_owner(self) -> None:
        """
        An owner has a user, a group or both, by name or by number.
        """
        user = pwd.getpwuid(os.getuid()).pw_name
        group = grp.getgrgid(os.getgid()).gr_name
        for text, owner in (
            (user, (os.getuid(), -1)),
            (f"{user}:{group}", (os.getuid(), os.getgid())),
            (f":{group}", (-1, os.getgid())),
            ("7:8", (7, 8)),
        ):
            self.assertEqual(fileOwner(text), owner)

    def test_wrongOwner(self) -> None:
        """
        An owner that does not exist is refused.
        """
        for text, hint in (
            ("", "USER:GROUP"),
            (":", "USER:GROUP"),
            ("7:", "USER:GROUP"),
            ("nobody here", "no user 'nobody here'"),
            ("7:nobody here", "no group 'nobody here'"),
        ):
            error = self.assertRaises(ValueError, fileOwner, text)
            self.assertIn(hint, str(error))
