# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.selftest}, and the choice of a backend.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError, HandshakeFailed
from twisted_libp2p.interfaces import IQuicBackend, IQuicEndpoint, QuicSettings
from twisted_libp2p.quic import backends
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.backends import backendNamed, installed
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.selftest import test as selfTest


@implementer(IQuicBackend)
class Broken:
    """
    A backend that is broken in some way.
    """

    name = "broken"
    version = "0.1"

    def __init__(self, judge: Any) -> None:
        self._judge = judge

    def endpoint(self, settings: QuicSettings) -> IQuicEndpoint:
        """
        Make an endpoint with another judge.
        """
        made = AioquicBackend().endpoint(
            replace(settings, judge=self._judge(settings.judge))
        )
        endpoint: IQuicEndpoint = made
        return endpoint


class SelfTestTests(SynchronousTestCase):
    """
    A backend that lets strangers in is not used.
    """

    def test_good(self) -> None:
        """
        The backend over aioquic passes.
        """
        selfTest(AioquicBackend())

    def test_lenient(self) -> None:
        """
        A backend that ignores refusals fails, and so does one that forgets the expected
        peer.
        """
        accepts = CertificateJudge(time.time)

        def ignores(judge: Any) -> Any:
            def lenient(data: bytes, expected: bytes | None) -> bytes:
                try:
                    found: bytes = judge(data, expected)
                except HandshakeFailed:
                    found = accepts(data, None)
                return found

            return lenient

        error = self.assertRaises(ConfigurationError, selfTest, Broken(ignores))
        self.assertIn("a listener refuses a certificate", str(error))
        forgets = Broken(lambda judge: lambda data, expected: judge(data, None))
        error = self.assertRaises(ConfigurationError, selfTest, forgets)
        self.assertIn("a dialer refuses another peer", str(error))
        self.assertIn("broken 0.1", str(error))

    def test_useless(self) -> None:
        """
        A backend that connects nobody fails too, and the error is named.
        """

        def refuses(judge: Any) -> Any:
            def never(data: bytes, expected: bytes | None) -> bytes:
                raise ZeroDivisionError

            return never

        error = self.assertRaises(ConfigurationError, selfTest, Broken(refuses))
        self.assertIn("two peers connect", str(error))


class ChoiceTests(SynchronousTestCase):
    """
    Backends are found by name.
    """

    def test_unknown(self) -> None:
        """
        A wrong name is answered with the right ones.
        """
        error = self.assertRaises(ConfigurationError, backendNamed, "quiche")
        self.assertIn("choose from auto, native, aioquic", str(error))

    def test_missing(self) -> None:
        """
        A backend that is not installed is answered with the way to install it.
        """
        self.patch(
            backends, "BACKENDS", {"absent": ("absent.Backend", "absent", "pip it")}
        )
        for name in ("absent", "auto"):
            error = self.assertRaises(ConfigurationError, backendNamed, name)
            self.assertIn("pip it", str(error))
        self.assertFalse(installed())

    def test_once(self) -> None:
        """
        The self-test runs once in a process.
        """
        self.assertIs(backendNamed("aioquic"), backendNamed("aioquic"))
        self.assertTrue(installed())
