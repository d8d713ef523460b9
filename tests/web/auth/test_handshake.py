# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.auth.client} and L{twisted_libp2p.web.auth.server}: the
two machines against each other.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import vectorIdentity
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.web.auth.client import ClientHandshake, Step
from twisted_libp2p.web.auth.parameters import (
    encode,
    parseParameters,
    sign,
    writeParameters,
)
from twisted_libp2p.web.auth.server import (
    CHALLENGE_TIME,
    TOKEN_TIME,
    Authenticator,
    Verdict,
)

HOST = "example.com"


class HandshakeTests(SynchronousTestCase):
    """
    A client and a server.
    """

    def setUp(self) -> None:
        """
        Make both.
        """
        self.now = 1000.0
        self.ours, self.theirs = vectorIdentity(2), vectorIdentity(1)
        self.server = Authenticator(self.theirs, lambda: self.now)

    def client(self, **options: Any) -> ClientHandshake:
        """
        Make a client.
        """
        return ClientHandshake(self.ours, HOST, **options)

    def exchange(self, client: ClientHandshake, host: str = HOST) -> Verdict:
        """
        Send one request, and its response.
        """
        verdict = self.server.answer(client.authorization, host)
        client.receive(verdict.headers)
        return verdict

    def token(self) -> str:
        """
        Shake hands.
        """
        client = self.client()
        self.exchange(client)
        self.exchange(client)
        self.assertIs(client.step, Step.DONE)
        return client.authorization

    def test_clientFirst(self) -> None:
        """
        The server proves itself first, then the client, which gets a token.
        """
        client = self.client(expected=self.theirs.peerID)
        self.assertFalse(client.provesServer)
        self.assertEqual(self.exchange(client)[:2], (None, 401))
        self.assertTrue(client.provesServer)
        self.assertEqual(client.peer, self.theirs.peerID)
        verdict = self.exchange(client)
        self.assertEqual(verdict[:2], (self.ours.peerID, 200))
        self.assertIs(client.step, Step.DONE)
        verdict = self.server.answer(client.authorization, HOST)
        self.assertEqual(verdict, (self.ours.peerID, 200, {}))

    def test_serverFirst(self) -> None:
        """
        A server that does not answer a challenge is proven later.
        """
        client = self.client()
        client.receive(self.server.answer("", HOST).headers)
        self.assertIs(client.step, Step.ANSWERING)
        self.assertFalse(client.provesServer)
        self.assertEqual(self.exchange(client).peer, self.ours.peerID)
        self.assertEqual(client.peer, self.theirs.peerID)
        self.assertIs(client.step, Step.DONE)

    def test_keys(self) -> None:
        """
        All types of keys fit into the headers.
        """
        for kind in (KeyType.SECP256K1, KeyType.ECDSA, KeyType.RSA):
            self.ours = self.theirs = Identity.generate(kind)
            self.server = Authenticator(self.theirs, lambda: self.now)
            self.token()

    def test_expired(self) -> None:
        """
        Old challenges and tokens, and those of another server or name, are answered by
        a new challenge.
        """
        token = self.token()
        client = self.client()
        client.receive(self.server.answer(client.authorization, HOST).headers)
        other = Authenticator(self.theirs, lambda: self.now)
        for server, host in ((other, HOST), (self.server, "example.org")):
            for header in (token, client.authorization):
                verdict = server.answer(header, host)
                self.assertEqual(verdict[:2], (None, 401))
                self.assertIn("challenge-client", verdict.headers["WWW-Authenticate"])
        self.now += CHALLENGE_TIME + 1
        self.assertEqual(self.server.answer(client.authorization, HOST).status, 401)
        self.assertEqual(self.server.answer(token, HOST).status, 200)
        self.now += TOKEN_TIME
        self.assertEqual(self.server.answer(token, HOST).status, 401)

    def test_kinds(self) -> None:
        """
        A challenge does not pass as a token, nor a token as a challenge.
        """
        challenge = self.server.answer("", HOST).headers["WWW-Authenticate"]
        opaque = parseParameters(challenge)["opaque"]
        verdict = self.server.answer(writeParameters({"bearer": opaque}), HOST)
        self.assertEqual(verdict[:2], (None, 401))
        bearer = parseParameters(self.token())["bearer"]
        header = writeParameters({"opaque": bearer, "sig": "AAAA"})
        self.assertEqual(self.server.answer(header, HOST)[:2], (None, 401))

    def test_forged(self) -> None:
        """
        A client with a wrong signature, or a malformed header, is refused.
        """
        client = self.client()
        client.receive(self.server.answer("", HOST).headers)
        found = parseParameters(client.authorization)
        stale = sign(
            self.ours,
            {"challenge-client": b"x", "hostname": HOST.encode()},
        )
        key = encode(self.ours.publicKey.toBytes())
        for header in (
            writeParameters({**found, "sig": stale}),
            writeParameters({**found, "sig": "!"}),
            writeParameters({**found, "public-key": "AAAA"}),
            writeParameters({**found, "opaque": "a"}),
            writeParameters({**found, "challenge-server": "short"}),
            writeParameters({"challenge-server": "a" * 32}),
            writeParameters({"challenge-server": "short", "public-key": key}),
            "x" * 5000,
        ):
            self.assertEqual(self.server.answer(header, HOST), (None, 400, {}))

    def test_impostor(self) -> None:
        """
        A server that does not prove its key is refused by the client.
        """
        good = parseParameters(
            self.server.answer(self.client().authorization, HOST).headers[
                "WWW-Authenticate"
            ]
        )
        for headers in (
            {},
            {"WWW-Authenticate": "Basic"},
            {"WWW-Authenticate": writeParameters({**good, "challenge-client": "a"})},
            {"WWW-Authenticate": writeParameters({**good, "public-key": ""})},
            {"WWW-Authenticate": writeParameters({**good, "sig": "AAAA"})},
            # A proof that was made for the challenge of another client.
            {"WWW-Authenticate": writeParameters(good)},
        ):
            self.assertRaises(HandshakeFailed, self.client().receive, headers)

    def test_mismatch(self) -> None:
        """
        Another peer id than the expected one is refused before we prove ours.
        """
        for first in (True, False):
            client = self.client(expected=self.ours.peerID)
            sent = client.authorization if first else ""
            headers = self.server.answer(sent, HOST).headers
            self.assertRaises(PeerMismatch, client.receive, headers)
            self.assertNotIn("sig", parseParameters(client.authorization))

    def test_noToken(self) -> None:
        """
        A server has to give a token.
        """
        client = self.client()
        self.exchange(client)
        for headers in (
            {},
            {"Authentication-Info": writeParameters({"sig": "AAAA"})},
        ):
            self.assertRaises(HandshakeFailed, client.receive, headers)
