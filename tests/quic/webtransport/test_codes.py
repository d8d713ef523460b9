# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the codes of WebTransport inside those of HTTP/3.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.quic.webtransport.codes import fromHttp, toHttp


class CodeTests(SynchronousTestCase):
    """
    Tests for both directions.
    """

    def test_published(self) -> None:
        """
        The first and the last code, and those around a reserved number, are those of
        the draft.
        """
        self.assertEqual(toHttp(0), 0x52E4A40FA8DB)
        self.assertEqual(toHttp(0xFFFFFFFF), 0x52E5AC983162)
        self.assertEqual([toHttp(29), toHttp(30)], [0x52E4A40FA8F8, 0x52E4A40FA8FA])

    @drawn(100, code=st.integers(0, 0xFFFFFFFF))
    def test_back(self, code: int) -> None:
        """
        Each code comes back, and none of them is reserved.
        """
        http = toHttp(code)
        self.assertEqual(fromHttp(http), code)
        self.assertNotEqual((http - 0x21) % 0x1F, 0)

    def test_others(self) -> None:
        """
        Codes that have no counterpart become 0.
        """
        self.assertEqual([toHttp(-1), toHttp(1 << 32)], [toHttp(0)] * 2)
        for each in (0, 0x100, 0x52E4A40FA8F9, 0x52E5AC983163):
            self.assertEqual(fromHttp(each), 0)
