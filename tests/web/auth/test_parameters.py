# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.auth.parameters}, with the vectors of the specification.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import Vector, hexBytes, vector, vectorIdentity, vectors
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.web.auth.parameters import (
    MAX_HEADER,
    decode,
    encode,
    keyOf,
    parseParameters,
    sign,
    signedData,
    verify,
    writeParameters,
)


def _identity(name: str) -> Identity:
    """
    Return an identity of the vectors by its name.
    """
    return vectorIdentity(int(name[-2:]))


def _signed(entry: Vector) -> dict[str, bytes]:
    """
    Return the parameters that a vector signs.
    """
    return {
        name: (
            _identity(value).publicKey.toBytes()
            if value.startswith("key.")
            else value.encode()
        )
        for name, value in entry["parameters"].items()
    }


class VectorTests(SynchronousTestCase):
    """
    The signatures of the specification.
    """

    def test_signatures(self) -> None:
        """
        The same bytes are signed, and the same signatures are made and accepted; the
        stale example of the specification is refused.
        """
        for _, entry in vectors("http_auth."):
            signer, signed = _identity(entry["signer"]), _signed(entry)
            text = entry["signature_base64url"]
            self.assertEqual(signedData(signed), hexBytes(entry, "signed_bytes"))
            self.assertEqual(decode(text), hexBytes(entry, "signature"))
            if entry["signature_valid"]:
                self.assertEqual(sign(signer, signed), text)
                verify(signer.publicKey, signed, text)
                verify(signer.publicKey, signed, text.rstrip("="))
            else:
                self.assertRaises(
                    ProtocolViolation, verify, signer.publicKey, signed, text
                )

    def test_stale(self) -> None:
        """
        That example is among them.
        """
        self.assertFalse(vector("http_auth.stale_client_signature")["signature_valid"])


class ParametersTests(SynchronousTestCase):
    """
    Headers.
    """

    def test_parse(self) -> None:
        """
        Only the parameters of this scheme are read, whatever stands around them.
        """
        ours = {"public-key": "eA==", "sig": ""}
        for header in (
            'libp2p-PeerID public-key="eA==", sig=""',
            'libp2p-peerid public-key="eA==",sig=""',
            'Basic realm="a", libp2p-PeerID public-key="eA==" sig="", Bearer a="b"',
            writeParameters(ours),
        ):
            self.assertEqual(parseParameters(header), ours)
        for header in ("", "Basic eA==", 'not-libp2p-PeerID sig="a"', "libp2p-PeerIDs"):
            self.assertEqual(parseParameters(header), {})

    def test_wrong(self) -> None:
        """
        A long header, and one with a parameter twice, are refused.
        """
        for header in (
            "x" * (MAX_HEADER + 1),
            'libp2p-PeerID sig="a", sig="b"',
        ):
            self.assertRaises(ProtocolViolation, parseParameters, header)

    def test_base64(self) -> None:
        """
        Padding is optional; nothing else is.
        """
        for data in (b"", b"a", b"ab", b"\xff\xfe\xfd"):
            self.assertEqual(decode(encode(data)), data)
            self.assertEqual(decode(encode(data).rstrip("=")), data)
        for text in ("a", "a+", "a/b=", "a b=", "YQ===", "\xe9"):
            self.assertRaises(ProtocolViolation, decode, text)
        for text in ("", "AAAA", "!"):
            self.assertRaises(ProtocolViolation, keyOf, text)
