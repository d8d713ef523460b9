# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
An authority and a broker in memory, as an agent that sends requests to them.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.vectors import vectorIdentity
from twisted_libp2p.web.auth.server import Authenticator

__all__ = ["BROKER", "DIRECTORY", "Issuer", "MemoryWeb", "unsigned"]

DIRECTORY = "https://ca.example/dir"
BROKER = "https://broker.example"
HOUR = 3600.0

Reply = tuple[int, dict[str, str], bytes]


def unbase(text: str) -> bytes:
    """
    Read base64url without padding.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unsigned(body: bytes) -> tuple[dict[str, Any], Any]:
    """
    Read a signed request without a check.

    @return: its head, and its content; None if that is empty.
    """
    found = json.loads(body)
    content = unbase(found["payload"])
    return json.loads(unbase(found["protected"])), json.loads(content or b"null")


def verify(body: bytes, jwk: dict[str, str]) -> None:
    """
    Check the signature of a request.
    """
    found = json.loads(body)
    x, y = (int.from_bytes(unbase(jwk[each]), "big") for each in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = unbase(found["signature"])
    assert len(raw) == 64
    numbers = (int.from_bytes(each, "big") for each in (raw[:32], raw[32:]))
    signed = f"{found['protected']}.{found['payload']}".encode()
    key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(SHA256()))


class Issuer:
    """
    Signs certificates.
    """

    def __init__(self, name: str = "issuer") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def _sign(self, key: Any, names: list[str], begins: float, ends: float) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]) if names else self.name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(begins, UTC))
            .not_valid_after(datetime.fromtimestamp(ends, UTC))
        )
        if names:
            alternatives = [x509.DNSName(each) for each in names]
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), False
            )
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def chain(self, key: Any, names: list[str], begins: float, ends: float) -> bytes:
        """
        Sign a certificate, and return it with that of this issuer.

        @param key: the public key.
        """
        leaf = self._sign(key, names, begins, ends)
        return leaf + self._sign(self.key.public_key(), [], begins, ends)


class Response:
    """
    A response with a body.
    """

    def __init__(self, reply: Reply) -> None:
        self.code, headers, self._body = reply
        self.headers = Headers({name: [value] for name, value in headers.items()})

    def deliverBody(self, protocol: Any) -> None:
        """
        Deliver it at once.
        """
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class MemoryWeb:
    """
    Both servers.

    @ivar asked: the method and the path of each request.
    @ivar published: the requests that the broker has granted.
    @ivar life: the seconds for which certificates are valid.
    @ivar fault: answers a request instead, if it returns an answer: called with the
        path, and with C{/denied} for a proven client of the broker.
    @ivar silent: whether no request is answered.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        """
        @param wall: returns the seconds since 1970.
        """
        self.asked: list[str] = []
        self.published: list[dict[str, Any]] = []
        self.life = 90 * 24 * HOUR
        self.fault: Callable[[str], Reply | None] = lambda path: None
        self.silent = False
        self.issuer = Issuer()
        self._wall = wall
        self._nonces: set[str] = set()
        self._number = 0
        self._jwk: dict[str, str] = {}
        self._polls = 0
        self._csr = b""
        self._names: list[str] = []
        self._authenticator = Authenticator(vectorIdentity(2), wall)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: Any = None,
    ) -> Deferred[Any]:
        """
        Answer a request.
        """
        assert headers is not None
        if self.silent:
            return Deferred()
        text = uri.decode()
        body = b"" if bodyProducer is None else bodyProducer._inputFile.read()
        if text.startswith(BROKER):
            path = text.removeprefix(BROKER)
            reply = self.fault(path) or self._broker(method, headers, body)
        else:
            path = text.removeprefix("https://ca.example")
            self._number += 1
            nonce = f"nonce-{self._number}"
            reply = self.fault(path) or self._authority(method, path, body)
            self._nonces.add(nonce)
            reply[1].setdefault("replay-nonce", nonce)
        self.asked.append(f"{method.decode()} {path}")
        return succeed(Response(reply))

    # The broker

    def _broker(self, method: bytes, headers: Headers, body: bytes) -> Reply:
        (authorization,) = headers.getRawHeaders("Authorization", [""])
        verdict = self._authenticator.answer(authorization, "broker.example")
        if verdict.peer is None or method != b"POST":
            return verdict.status, dict(verdict.headers), b""
        denied = self.fault("/denied")
        if denied is not None:
            return denied[0], dict(verdict.headers), denied[2]
        wanted = json.loads(body)
        assert len(unbase(wanted["value"])) == 32
        self.published.append({**wanted, "peer": str(verdict.peer)})
        return 200, dict(verdict.headers), b""

    # The authority

    def _authority(self, method: bytes, path: str, body: bytes) -> Reply:
        if path == "/dir":
            names = ("newNonce", "newAccount", "newOrder")
            places: dict[str, Any] = {each: f"{_at(each)}" for each in names}
            places["meta"] = {"termsOfService": "https://ca.example/terms"}
            return _json(200, places)
        if path == "/newNonce":
            return 200, {}, b""
        head, content = unsigned(body)
        if "jwk" in head:
            self._jwk = head["jwk"]
        else:
            assert head["kid"] == _at("account")
        verify(body, self._jwk)
        assert head["url"] == _at(path[1:])
        if head["nonce"] not in self._nonces:
            return _json(400, {"type": "urn:ietf:params:acme:error:badNonce"})
        self._nonces.remove(head["nonce"])
        reply: Reply = getattr(self, f"_on_{path[1:]}")(content)
        return reply

    def _on_newAccount(self, content: Any) -> Reply:
        assert content == {"termsOfServiceAgreed": True}
        return 201, {"location": _at("account")}, b"{}"

    def _order(self, status: str, code: int = 200) -> Reply:
        reply = _json(
            code,
            {
                "status": status,
                "authorizations": [_at("authorization")],
                "finalize": _at("finalize"),
                **({"certificate": _at("certificate")} if status == "valid" else {}),
            },
        )
        reply[1]["location"] = _at("order")
        return reply

    def _on_newOrder(self, content: Any) -> Reply:
        self._polls = 0
        (identifier,) = content["identifiers"]
        self._names = [identifier["value"]]
        return self._order("pending", 201)

    def _on_order(self, content: Any) -> Reply:
        assert content is None
        return self._order("valid")

    def _on_authorization(self, content: Any) -> Reply:
        assert content is None
        challenge = {"type": "dns-01", "url": _at("challenge"), "token": "token"}
        self._polls += 1
        # The beginning; a question that comes too early; the end.
        status = "valid" if self._polls > 2 else "pending"
        return _json(200, {"status": status, "challenges": [{}, challenge]})

    def _on_challenge(self, content: Any) -> Reply:
        assert content == {}
        x, y = (int.from_bytes(unbase(self._jwk[each]), "big") for each in "xy")
        assert x and y
        return _json(200, {})

    def _on_finalize(self, content: Any) -> Reply:
        self._csr = unbase(content["csr"])
        return self._order("processing")

    def _on_certificate(self, content: Any) -> Reply:
        request = x509.load_der_x509_csr(self._csr)
        assert request.is_signature_valid
        now = self._wall()
        chain = self.issuer.chain(
            request.public_key(), self._names, now, now + self.life
        )
        return 200, {"content-type": "application/pem-certificate-chain"}, chain


def _at(name: str) -> str:
    return f"https://ca.example/{name}"


def _json(code: int, value: Any) -> Reply:
    return code, {"content-type": "application/json"}, json.dumps(value).encode()
