# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a machine without the native part.
"""

from __future__ import annotations

import sys
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.webrtc import native
from twisted_libp2p.webrtc.native import installed
from twisted_libp2p.webrtc.transport import RtcTransport
from twisted_libp2p.wire import multibase

LISTEN = Multiaddr("/ip4/127.0.0.1/udp/0/webrtc-direct")


class MissingTests(SynchronousTestCase):
    """
    The distribution cannot be imported.
    """

    def setUp(self) -> None:
        modules = mock.patch.dict(sys.modules, {"twisted_libp2p_native": None})
        modules.start()
        self.addCleanup(modules.stop)
        sys.modules.pop("twisted_libp2p.webrtc.machines", None)
        self.transport = RtcTransport(Clock(), Identity.generate())

    def test_listen(self) -> None:
        """
        Listening fails with one line that says how to install it, and binds nothing.
        """
        listening = self.transport.listen(LISTEN, lambda source: None)
        error = self.failureResultOf(listening, ConfigurationError).value
        self.assertRegex(
            str(error),
            r"\AWebRTC-direct needs twisted-libp2p-native 0\.6: make native, in a"
            r" checkout \(.*twisted_libp2p_native.*\)\Z",
        )

    def test_dial(self) -> None:
        """
        Addresses of WebRTC-direct are not dialed.
        """
        self.assertFalse(installed())
        hash = multibase.encode("u", b"\x12\x20" + bytes(32))
        address = Multiaddr(f"/ip4/192.0.2.1/udp/1/webrtc-direct/certhash/{hash}")
        self.assertFalse(self.transport.canDial(address))


class OldTests(SynchronousTestCase):
    """
    The distribution is older than this package.
    """

    def test_old(self) -> None:
        """
        It counts as missing.
        """
        self.patch(native, "version", lambda name: "0.5.9")
        self.assertFalse(installed())
