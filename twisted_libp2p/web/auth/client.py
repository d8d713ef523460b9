# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client's side of the handshake, without I/O.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from twisted_libp2p.errors import HandshakeFailed, PeerMismatch, ProtocolViolation
from twisted_libp2p.identity import Identity, PeerID, PublicKey
from twisted_libp2p.web.auth.parameters import (
    MIN_CHALLENGE,
    SCHEME,
    encode,
    keyOf,
    parseParameters,
    sign,
    verify,
    writeParameters,
)

__all__ = ["ClientHandshake", "Step"]

_CHALLENGE: Final = 32

_ASKS: Final = "WWW-Authenticate"
_PROVES: Final = "Authentication-Info"


class Step(Enum):
    """
    The response for which a client waits.
    """

    #: The proof of the server, and its challenge.
    CHALLENGED = auto()
    #: The token, after our proof.
    PROVING = auto()
    #: The proof of the server and the token, after our proof.
    ANSWERING = auto()
    #: None: the server is proven, and there is a token.
    DONE = auto()


class ClientHandshake:
    """
    Proves our peer id to a server, and has the server prove its own.

    We prove ours second, unless the server does not answer a challenge.

    @ivar authorization: the header C{Authorization} of the next request.
    @ivar step: the response for which we wait.
    @ivar peer: the proven peer id of the server; None until then.
    """

    def __init__(
        self,
        identity: Identity,
        hostname: str,
        expected: PeerID | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param hostname: the name of the server, as in its certificate.
        @param expected: the only acceptable peer id; None for any.
        @param random: returns so many random bytes.
        """
        self._identity = identity
        self._hostname = hostname.encode()
        self._expected = expected
        self._challenge = encode(random(_CHALLENGE))
        self._server: PublicKey | None = None
        self.peer: PeerID | None = None
        self.step = Step.CHALLENGED
        self.authorization = writeParameters(
            {"challenge-server": self._challenge, "public-key": self._ownKey}
        )

    @property
    def _ownKey(self) -> str:
        return encode(self._identity.publicKey.toBytes())

    @property
    def provesServer(self) -> bool:
        """
        Whether the server has proven its peer id before the next request, so that the
        body may be sent.
        """
        return self.peer is not None

    def receive(self, headers: Mapping[str, str]) -> None:
        """
        Take in a response.

        @param headers: C{WWW-Authenticate} and C{Authentication-Info}, if it has them.
        @raise HandshakeFailed: the server does not prove its peer id, or refuses us;
            L{PeerMismatch} if it proves another id than expected.
        """
        try:
            if self.step is Step.CHALLENGED:
                self._readChallenge(self._read(headers, _ASKS))
            elif self.step is not Step.DONE:
                self._readToken(self._read(headers, _PROVES))
        except ProtocolViolation as error:
            raise HandshakeFailed(SCHEME, str(error)) from None

    def _read(self, headers: Mapping[str, str], name: str) -> dict[str, str]:
        found = parseParameters(headers.get(name, ""))
        if not found:
            raise HandshakeFailed(SCHEME, f"the server has sent no {name}")
        return found

    def _readChallenge(self, found: Mapping[str, str]) -> None:
        """
        Check the proof of the server, if it is there, and write ours.
        """
        challenge, opaque = found.get("challenge-client", ""), found.get("opaque", "")
        if len(challenge) < MIN_CHALLENGE:
            raise HandshakeFailed(SCHEME, "a challenge that is too short")
        self._server = keyOf(found.get("public-key", ""))
        proof = sign(
            self._identity,
            {
                "challenge-client": challenge.encode(),
                "hostname": self._hostname,
                "server-public-key": self._server.toBytes(),
            },
        )
        answer = {"opaque": opaque, "sig": proof}
        if "sig" in found:
            self._prove(found["sig"])
            self.step = Step.PROVING
        else:
            self._check(PeerID.fromKey(self._server))
            answer["public-key"] = self._ownKey
            answer["challenge-server"] = self._challenge
            self.step = Step.ANSWERING
        self.authorization = writeParameters(answer)

    def _readToken(self, found: Mapping[str, str]) -> None:
        """
        Take the token; check the proof of the server, unless that is done.
        """
        if self.step is Step.ANSWERING:
            self._prove(found.get("sig", ""))
        if not found.get("bearer"):
            raise HandshakeFailed(SCHEME, "the server has sent no token")
        self.authorization = writeParameters({"bearer": found["bearer"]})
        self.step = Step.DONE

    def _prove(self, signature: str) -> None:
        """
        Check the signature of the server.
        """
        assert self._server is not None
        signed = {
            "challenge-server": self._challenge.encode(),
            "client-public-key": self._identity.publicKey.toBytes(),
            "hostname": self._hostname,
        }
        verify(self._server, signed, signature)
        peer = PeerID.fromKey(self._server)
        self._check(peer)
        self.peer = peer

    def _check(self, peer: PeerID) -> None:
        """
        Check that a peer is the expected one.
        """
        if self._expected is not None and peer != self._expected:
            raise PeerMismatch(SCHEME, str(self._expected), str(peer))
