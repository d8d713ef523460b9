# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A folder for sockets.
"""

from __future__ import annotations

import os
from shutil import rmtree
from tempfile import mkdtemp
from urllib.parse import quote

from twisted.trial.unittest import TestCase

from twisted_libp2p.address import Multiaddr

__all__ = ["SocketFolder"]


class SocketFolder(TestCase):
    """
    Tests that have a folder for sockets.

    @ivar folder: the folder, whose path is short enough: the paths of trial are not.
    """

    def setUp(self) -> None:
        """
        Make the folder.
        """
        self.folder = mkdtemp()
        self.addCleanup(rmtree, self.folder)

    def path(self, name: str) -> str:
        """
        Return a path in the folder.
        """
        return os.path.join(self.folder, name)

    def socket(self, name: str) -> Multiaddr:
        """
        Return the address of a socket in the folder.
        """
        return Multiaddr("/unix/" + quote(self.path(name), safe=""))
