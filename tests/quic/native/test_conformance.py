# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the native backend of QUIC.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.native import requireNative
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.quic import QuicBackendConformance
from twisted_libp2p.testing.quic.pair import settingsOf


class NativeTests(QuicBackendConformance, SynchronousTestCase):
    """
    The native backend conforms.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend

    def test_wrongSetting(self) -> None:
        """
        A setting out of its range is an error of the configuration.
        """
        settings = settingsOf(Identity.generate(), maxSegments=0)
        error = self.assertRaises(
            ConfigurationError, self.makeBackend().endpoint, settings
        )
        self.assertEqual(str(error), "QUIC: maxSegments is 0: it is 1 or more")


class VersionTests(SynchronousTestCase):
    """
    The distribution and this package fit.
    """

    def test_old(self) -> None:
        """
        An old distribution is refused, with a line that says how to build a new one.
        """
        check = requireNative().checkVersion
        for good in ("0.4.0", "0.10.1", "1.0"):
            check(good)
        error = self.assertRaises(ConfigurationError, check, "0.3.9")
        self.assertEqual(
            str(error), "twisted-libp2p-native 0.3.9 is older than 0.4: make native"
        )


class NativeDialsAioquicTests(QuicBackendConformance, SynchronousTestCase):
    """
    The native backend dials aioquic.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend of the dialer.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend

    def makeOther(self) -> IQuicBackend:
        """
        Make the backend of the listener.
        """
        return AioquicBackend()


class AioquicDialsNativeTests(QuicBackendConformance, SynchronousTestCase):
    """
    aioquic dials the native backend.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend of the dialer.
        """
        return AioquicBackend()

    def makeOther(self) -> IQuicBackend:
        """
        Make the backend of the listener.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend
