# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.wire.multibase}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.wire import multibase


class MultibaseTests(SynchronousTestCase):
    """
    Bytes as text that tells its base.
    """

    # From the test cases of multiformats/multibase (basic, leading_zero and
    # case_insensitivity).
    known = (
        (b"yes mani !", "f796573206d616e692021"),
        (b"yes mani !", "bpfsxgidnmfxgsibb"),
        (b"yes mani !", "k2lcpzo5yikidynfl"),
        (b"yes mani !", "z7paNL19xttacUY"),
        (b"yes mani !", "meWVzIG1hbmkgIQ"),
        (b"yes mani !", "ueWVzIG1hbmkgIQ"),
        (b"\0yes mani !", "f00796573206d616e692021"),
        (b"\0yes mani !", "bab4wk4zanvqw42jaee"),
        (b"\0yes mani !", "k02lcpzo5yikidynfl"),
        (b"\0yes mani !", "z17paNL19xttacUY"),
    )

    def test_known(self) -> None:
        """
        The examples of the specification are encoded and decoded.
        """
        for data, text in self.known:
            self.assertEqual(multibase.encode(text[0], data), text)
            self.assertEqual(multibase.decode(text), data)

    def test_upperCase(self) -> None:
        """
        The bases that do not tell the cases apart are read in either.
        """
        for data, text in self.known:
            if text[0] in "fbk":
                self.assertEqual(multibase.decode(text.upper()), data)

    def test_refused(self) -> None:
        """
        What is no canonical spelling is refused, whatever the libraries below
        make of it.
        """
        for text in (
            "",
            "9",
            "x00",
            "f0",
            "f00 11",
            "fAB",
            "Fab",
            "BPFSXGIDnmfxgsibb",
            "bpfsxgidnmfxgsibb======",
            "bab",
            "bp",
            "b\u0131",
            "k1_0",
            "k+1",
            "k-1",
            "k ",
            "k\u0661",
            "z7paNL19xttacUY ",
            "z0",
            "z\u00e9",
            "meWVzIG1hbmkgIQ==",
            "meWVzIG1hbmkgIR",
            "ueWVz IG1hbmkgIQ",
            "u+/",
            "m-_",
        ):
            self.assertRaises(InvalidInput, multibase.decode, text)

    @drawn(50, st.sampled_from("fbkzmu"), st.binary(max_size=50))
    def test_roundTrip(self, base: str, data: bytes) -> None:
        """
        Any bytes are read back from any base.
        """
        self.assertEqual(multibase.decode(multibase.encode(base, data)), data)

    @drawn(100, st.sampled_from("fFbBkKzmu"), st.text(max_size=20))
    def test_garbage(self, base: str, body: str) -> None:
        """
        Text is either refused, or the one spelling of its bytes.
        """
        try:
            data = multibase.decode(base + body)
        except InvalidInput:
            return
        spelled = multibase.encode(base.lower(), data)
        self.assertEqual(spelled.upper() if base.isupper() else spelled, base + body)
