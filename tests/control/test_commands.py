# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.control.commands}: the state of a node.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.status.test_certificates import GettingTestCase
from twisted_libp2p.control.commands import statusOf
from twisted_libp2p.errors import NoCertificate


class CertificateTests(GettingTestCase):
    """
    A node gets a certificate by AutoTLS.
    """

    def certificate(self) -> dict[str, Any]:
        """
        Return the state of the certificate.
        """
        self.node.peerID = "peer"
        self.node.addresses = self.node.connections = ()
        pairing: Any = SimpleNamespace(book=())
        (found,) = statusOf(self.node, pairing)["certificates"]
        assert isinstance(found, dict)
        return found

    def test_certificate(self) -> None:
        """
        The state has the name, the end, the time of the next request, and the last
        error.
        """
        name = self.service.wanted
        self.assertEqual(
            self.certificate(),
            {
                "name": name,
                "expires": None,
                "state": "idle",
                "due": None,
                "text": "none yet, no address that can be dialed",
                "failures": 0,
                "error": "",
            },
        )
        self.get()
        self.service.problem = NoCertificate("no luck")
        found = self.certificate()
        self.assertEqual(found["name"], name)
        self.assertLess(self.clock.seconds(), found["due"])
        self.assertLess(found["due"], found["expires"])
        self.assertIn("no luck", found["error"])
        self.assertRegex(found["text"], "^valid until 2027-.*, the next request 2027-")
