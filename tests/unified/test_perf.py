# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of how both sides of the suite's perf application find out the header.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from tests.protocols.connected import ConnectedTestCase
from tests.unified.perf import Undecided, headerOf
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.protocols.perf import PROTOCOL_ID, Header, PerfFactory, measure
from twisted_libp2p.testing.muxer import HalfCloseCollector


class HeaderTests(ConnectedTestCase):
    """
    Nobody says which header it is.
    """

    def serve(self) -> None:
        """
        Serve whatever header there is.
        """
        self.server.registry.register(
            PROTOCOL_ID, Factory.forProtocol(lambda: Undecided(self.nodes.clock))
        )

    def test_dialer(self) -> None:
        """
        A dialer finds out what a listener expects.
        """
        for header in Header:
            serving = self.server.registry.register(
                PROTOCOL_ID, PerfFactory(self.nodes.clock, header)
            )
            found = self.nodes.result(headerOf(self.nodes.clock, self.connection))
            self.assertIs(found, header)
            serving.cancel()

    def test_listener(self) -> None:
        """
        A listener serves dialers of either header: what the suite has them
        measure, and more.
        """
        self.serve()
        for header in Header:
            for upload, download in (
                (0, 100_000), (100_000, 0), (1, 1), (0, 0), (100_000, 100_000),
            ):  # fmt: skip
                told = self.nodes.result(
                    Deferred.fromCoroutine(
                        measure(
                            self.nodes.clock,
                            self.connection,
                            upload,
                            download,
                            header=header,
                        )
                    )
                )
                self.assertEqual((told.uploaded, told.downloaded), (upload, download))
        self.assertEqual(list(self.accepted.streams), [])

    def test_both(self) -> None:
        """
        When both sides find out, it is one of the two.
        """
        self.serve()
        found = self.nodes.result(headerOf(self.nodes.clock, self.connection))
        self.assertIs(found, Header.SENT_WANTED)

    def test_content(self) -> None:
        """
        Content that is not zero is not taken for what is wanted.
        """
        self.serve()
        collector = self.open(PROTOCOL_ID, HalfCloseCollector())
        collector.stream.write(Header.WANTED.pack(0, 5) + b"\xab" * 100)
        self.nodes.settle()
        self.assertEqual(collector.data, b"")
        collector.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(collector.data, bytes(5))
        self.assertEqual(collector.ends, ["write", "read"])

    def test_short(self) -> None:
        """
        Who does not even send a header is reset.
        """
        self.serve()
        collector = self.open(PROTOCOL_ID, HalfCloseCollector())
        collector.stream.write(bytes(7))
        collector.stream.loseWriteConnection()
        self.nodes.settle()
        collector.reasons[0].trap(StreamReset)

    def test_unended(self) -> None:
        """
        Who has the longer header is answered although it does not end its half.
        """
        self.serve()
        for upload, download in ((0, 50), (7, 3), (1, 1)):
            collector = self.open(PROTOCOL_ID, HalfCloseCollector())
            for byte in Header.SENT_WANTED.pack(upload, download) + bytes(upload):
                collector.stream.write(bytes([byte]))
                self.nodes.settle()
            self.assertEqual(collector.data, bytes(download))
            self.assertEqual(collector.ends, ["read"])
            collector.stream.loseConnection()
            self.nodes.settle()
