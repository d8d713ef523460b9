# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server's side of the handshake, without I/O and without a state: the client sends it
back in each request.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.web.auth.parameters import (
    MIN_CHALLENGE,
    SCHEME,
    decode,
    encode,
    keyOf,
    parseParameters,
    sign,
    verify,
    writeParameters,
)

__all__ = ["CHALLENGE_TIME", "TOKEN_TIME", "Authenticator", "Verdict"]

#: Seconds in which a challenge has to be answered.
CHALLENGE_TIME: Final = 300.0

#: Seconds for which a token is valid.
TOKEN_TIME: Final = 3600.0

_SIZE: Final = 32
_CHALLENGE, _TOKEN = "challenge", "token"


class Verdict(NamedTuple):
    """
    The answer to a request.

    @ivar peer: the proven peer; None if the request is refused.
    @ivar status: the status of a refused request: 400 or 401.
    @ivar headers: the headers of the response.
    """

    peer: PeerID | None
    status: int
    headers: dict[str, str]


class _Expired(Exception):
    """
    A challenge or a token is too old, or comes from another server.
    """


class Authenticator:
    """
    Lets clients prove their peer ids.
    """

    def __init__(
        self,
        identity: Identity,
        seconds: Callable[[], float],
        tokenTime: float = TOKEN_TIME,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        @param seconds: the time.
        @param tokenTime: the seconds for which a token is valid.
        @param random: returns so many random bytes.
        """
        self._identity = identity
        self._seconds = seconds
        self._tokenTime = tokenTime
        self._random = random
        self._secret = random(_SIZE)

    def answer(self, authorization: str, hostname: str) -> Verdict:
        """
        Judge a request.

        @param authorization: its header; empty without one.
        @param hostname: the name that the client knows the server by.
        """
        try:
            found = parseParameters(authorization)
            if "sig" in found and "opaque" in found:
                return self._readProof(found, hostname)
            if "bearer" in found:
                return self._readToken(found["bearer"], hostname)
            return self._challenge(found, hostname)
        except ProtocolViolation:
            return Verdict(None, 400, {})
        except _Expired:
            return self._challenge({}, hostname)

    def _challenge(self, found: Mapping[str, str], hostname: str) -> Verdict:
        """
        Challenge a client, and answer its own challenge, if it has sent one.
        """
        challenge = encode(self._random(_SIZE))
        state = {"challenge": challenge}
        answer = {
            "challenge-client": challenge,
            "public-key": encode(self._identity.publicKey.toBytes()),
        }
        if "challenge-server" in found:
            key = keyOf(found.get("public-key", ""))
            state["key"] = encode(key.toBytes())
            answer["sig"] = self._prove(found, key.toBytes(), hostname)
        answer["opaque"] = self._seal(_CHALLENGE, hostname, state)
        return Verdict(None, 401, {"WWW-Authenticate": writeParameters(answer)})

    def _prove(self, found: Mapping[str, str], key: bytes, hostname: str) -> str:
        """
        Sign the challenge of a client.

        @raise ProtocolViolation: it is too short.
        """
        challenge = found["challenge-server"]
        if len(challenge) < MIN_CHALLENGE:
            raise ProtocolViolation(SCHEME, "a challenge that is too short")
        return sign(
            self._identity,
            {
                "challenge-server": challenge.encode(),
                "client-public-key": key,
                "hostname": hostname.encode(),
            },
        )

    def _readProof(self, found: Mapping[str, str], hostname: str) -> Verdict:
        """
        Check the proof of a client, and give it a token.
        """
        state = self._open(found["opaque"], _CHALLENGE, hostname, CHALLENGE_TIME)
        key = keyOf(state.get("key") or found.get("public-key", ""))
        signed = {
            "challenge-client": state["challenge"].encode(),
            "hostname": hostname.encode(),
            "server-public-key": self._identity.publicKey.toBytes(),
        }
        verify(key, signed, found["sig"])
        peer = PeerID.fromKey(key)
        answer = {}
        if "challenge-server" in found:
            answer["sig"] = self._prove(found, key.toBytes(), hostname)
        answer["bearer"] = self._seal(_TOKEN, hostname, {"peer": str(peer)})
        return Verdict(peer, 200, {"Authentication-Info": writeParameters(answer)})

    def _readToken(self, token: str, hostname: str) -> Verdict:
        """
        Accept a token of ours.
        """
        state = self._open(token, _TOKEN, hostname, self._tokenTime)
        return Verdict(PeerID.fromText(state["peer"]), 200, {})

    def _seal(self, kind: str, hostname: str, state: Mapping[str, str]) -> str:
        """
        Write a state, which nobody else can make or change.
        """
        facts = {**state, "kind": kind, "host": hostname, "time": self._seconds()}
        data = json.dumps(facts).encode()
        return encode(hmac.digest(self._secret, data, "sha256") + data)

    def _open(
        self, text: str, kind: str, hostname: str, seconds: float
    ) -> dict[str, Any]:
        """
        Read a state.

        @raise _Expired: it is not one of ours, or too old.
        """
        sealed = decode(text)
        digest, data = sealed[:_SIZE], sealed[_SIZE:]
        if not hmac.compare_digest(hmac.digest(self._secret, data, "sha256"), digest):
            raise _Expired
        facts: dict[str, Any] = json.loads(data)
        age = self._seconds() - facts["time"]
        if (facts["kind"], facts["host"]) != (kind, hostname) or age > seconds:
            raise _Expired
        return facts
