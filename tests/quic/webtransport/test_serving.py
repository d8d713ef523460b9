# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for listeners of WebTransport.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.trial.unittest import TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.quic import transport
from twisted_libp2p.quic.transport import QuicTransport

HOST = "/ip4/127.0.0.1/udp"


class ListenTests(TestCase):
    """
    Tests over real sockets.
    """

    def setUp(self) -> None:
        self.transport = QuicTransport(reactor, Identity.generate(), backend="aioquic")

    async def listen(self, address: str) -> list[str]:
        """
        Listen, until the test ends.

        @return: the addresses.
        """
        asked = Multiaddr(address)
        self.assertTrue(self.transport.canListen(asked))
        port = await self.transport.listen(asked, lambda source: None)
        self.addCleanup(port.stopListening)
        return [str(each) for each in self.transport.listeningOn(asked, port)]

    async def test_shared(self) -> None:
        """
        WebTransport shares the port of QUIC, whichever comes first, and its address
        names two hashes.
        """
        for first, second in (
            ("quic-v1", "quic-v1/webtransport"),
            ("quic-v1/webtransport", "quic-v1"),
        ):
            (address,) = await self.listen(f"{HOST}/0/{first}")
            number = address.split("/")[4]
            (other,) = await self.listen(f"{HOST}/{number}/{second}")
            quic, web = sorted((address, other), key=len)
            self.assertEqual(quic, f"{HOST}/{number}/quic-v1")
            self.assertTrue(web.startswith(f"{quic}/webtransport/certhash/uEi"))
            self.assertEqual(web.count("/certhash/"), 2)
            for each in (first, second):
                with self.assertRaises(CannotListenError):
                    await self.listen(f"{HOST}/{number}/{each}")

    async def test_closed(self) -> None:
        """
        The socket is closed when nobody listens any longer.
        """
        web = Multiaddr(f"{HOST}/0/quic-v1/webtransport")
        port = await self.transport.listen(web, lambda source: None)
        self.assertEqual(len(self.transport._hubs), 1)
        await maybeDeferred(port.stopListening)
        self.assertEqual(self.transport._hubs, [])

    async def test_missing(self) -> None:
        """
        If the package for heads is missing, that is said in one line.
        """

        def missing(name: str) -> None:
            raise ModuleNotFoundError("No module named 'pylsqpack'")

        self.patch(transport, "namedAny", missing)
        with self.assertRaisesRegex(ConfigurationError, "pylsqpack: pip install"):
            await self.listen(f"{HOST}/0/quic-v1/webtransport")
