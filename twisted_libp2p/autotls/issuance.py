# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way to a certificate by ACME, without I/O (RFC 8555, section 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from twisted_libp2p.autotls.jose import AccountKey, encode
from twisted_libp2p.autotls.messages import (
    BAD_NONCE,
    Answer,
    Authorization,
    Directory,
    Order,
    Site,
    readProblem,
)
from twisted_libp2p.errors import NoCertificate

__all__ = ["Action", "Done", "Issuance", "Publish", "Send", "Step", "Wait"]

#: Number of requests that may be repeated because their nonce was refused.
MAX_BAD_NONCES: Final = 8

#: Seconds for which the TXT record spreads before the authority looks for it.
SETTLE_TIME: Final = 2.0

#: Seconds between two questions whether the authority is done: the first ones and the
#: longest ones.
MIN_POLL: Final = 1.0
MAX_POLL: Final = 30.0


class Step(Enum):
    """
    The answer that is expected.
    """

    DIRECTORY = "directory"
    NONCE = "nonce"
    ACCOUNT = "account"
    ORDER = "order"
    AUTHORIZATION = "authorization"
    #: None yet: the TXT record is published first, and spreads.
    PUBLICATION = "publication"
    CHALLENGE = "challenge"
    CHECK = "check"
    FINALIZE = "finalize"
    POLL = "poll"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Send:
    """
    Send a request, and report its answer to L{Issuance.answered}.
    """

    method: bytes
    url: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """
    Have a TXT record published, and report it to L{Issuance.go}.

    @ivar value: its content.
    """

    value: str


@dataclass(frozen=True, slots=True)
class Wait:
    """
    Wait, and report it to L{Issuance.go}.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """
    The end.

    @ivar chain: the certificates, in PEM.
    """

    chain: bytes


Action = Send | Publish | Wait | Done


class Issuance:
    """
    One try to get a certificate.

    @ivar step: the answer that is expected.
    @ivar terms: the URL of the terms of the authority; empty until it is known.
    """

    def __init__(
        self, directory: str, key: AccountKey, name: str, request: bytes
    ) -> None:
        """
        @param directory: the URL of the authority's directory.
        @param key: the key of our account, which is made if the authority has none.
        @param name: the name that the certificate is for.
        @param request: the request for the certificate, in DER.
        """
        self.step = Step.DIRECTORY
        self.terms = ""
        self._site = Site(directory)
        self._key = key
        self._name = name
        self._csr = encode(request)
        self._directory: Directory
        self._nonce: str | None = None
        self._after = Step.ACCOUNT
        self._bad = 0
        self._account: str | None = None
        self._order: Order
        self._place = ""
        self._proof: Authorization
        self._poll = MIN_POLL

    def go(self) -> Action:
        """
        Begin, or go on after an action that has no answer.
        """
        if self.step is Step.DIRECTORY:
            return Send(b"GET", self._site.directory)
        if self.step is Step.PUBLICATION:
            self.step = Step.CHALLENGE
            return Wait(SETTLE_TIME)
        if self._nonce is None:
            self._after, self.step = self.step, Step.NONCE
            return Send(b"HEAD", self._directory.newNonce)
        url, payload = _REQUESTS[self.step](self)
        nonce, self._nonce = self._nonce, None
        return Send(b"POST", url, self._key.sign(url, nonce, self._account, payload))

    def answered(self, answer: Answer) -> Action:
        """
        Take the answer to a request.

        @raise NoCertificate: the authority refuses, or its answer is malformed.
        """
        self._nonce = answer.nonce or self._nonce
        if answer.status in (200, 201, 204):
            return _ANSWERS[self.step](self, answer)
        problem = answer.problem()
        signed = self.step in _REQUESTS
        if not signed or answer.status != 400 or problem.get("type") != BAD_NONCE:
            reason = readProblem(problem)
            raise NoCertificate(
                f"the authority answers with status {answer.status}"
                + (f": {reason}" if reason else ""),
                answer.pause,
            )
        self._bad += 1
        if self._bad > MAX_BAD_NONCES:
            raise NoCertificate("the authority refuses each of its nonces")
        return self.go()

    def _next(self, step: Step) -> Action:
        self.step = step
        return self.go()

    # The answers

    def _readDirectory(self, answer: Answer) -> Action:
        self._directory = Directory.read(answer, self._site)
        self.terms = self._directory.terms
        return self._next(Step.ACCOUNT)

    def _readNonce(self, answer: Answer) -> Action:
        if self._nonce is None:
            raise NoCertificate("the authority sends no nonce")
        return self._next(self._after)

    def _readAccount(self, answer: Answer) -> Action:
        self._account = self._site.url(answer.headers.get("location"))
        return self._next(Step.ORDER)

    def _readOrder(self, answer: Answer) -> Action:
        self._order = Order.read(answer, self._site)
        self._place = self._site.url(answer.headers.get("location"))
        if self._order.status == "pending":
            return self._next(Step.AUTHORIZATION)
        return self._readStatus(answer)

    def _readAuthorization(self, answer: Answer) -> Action:
        self._proof = Authorization.read(answer, self._site)
        if self._proof.status == "valid":
            return self._next(Step.FINALIZE)
        if self._proof.status != "pending":
            raise NoCertificate(f"the proof is {self._proof.status or 'missing'}")
        self.step = Step.PUBLICATION
        return Publish(self._key.digest(self._proof.token))

    def _readCheck(self, answer: Answer) -> Action:
        proof = Authorization.read(answer, self._site)
        if proof.status == "valid":
            self._poll = MIN_POLL
            return self._next(Step.FINALIZE)
        if proof.status != "pending":
            raise NoCertificate(
                "the authority refuses the proof:"
                f" {proof.problem or proof.status or 'without a reason'}"
            )
        return self._wait(answer)

    def _readChallenge(self, answer: Answer) -> Action:
        self.step = Step.CHECK
        return self._wait(answer)

    def _readStatus(self, answer: Answer) -> Action:
        self._order = order = Order.read(answer, self._site)
        if order.status == "valid" and order.certificate is not None:
            return self._next(Step.CERTIFICATE)
        if order.status == "ready" and self.step is Step.ORDER:
            return self._next(Step.FINALIZE)
        if order.status not in ("processing", "ready"):
            raise NoCertificate(
                f"the order is {order.status or 'without a status'}"
                + (f": {order.problem}" if order.problem else "")
            )
        self.step = Step.POLL
        return self._wait(answer)

    def _readCertificate(self, answer: Answer) -> Action:
        return Done(answer.body)

    def _wait(self, answer: Answer) -> Wait:
        seconds = self._poll if answer.pause is None else max(answer.pause, MIN_POLL)
        self._poll = min(self._poll * 2, MAX_POLL)
        return Wait(min(seconds, MAX_POLL))


#: For each step that signs a request: its URL and its content.
_REQUESTS: Final[dict[Step, Callable[[Any], tuple[str, Any]]]] = {
    Step.ACCOUNT: lambda my: (
        my._directory.newAccount,
        {"termsOfServiceAgreed": True},
    ),
    Step.ORDER: lambda my: (
        my._directory.newOrder,
        {"identifiers": [{"type": "dns", "value": my._name}]},
    ),
    Step.AUTHORIZATION: lambda my: (my._order.authorization, None),
    Step.CHALLENGE: lambda my: (my._proof.url, {}),
    Step.CHECK: lambda my: (my._order.authorization, None),
    Step.FINALIZE: lambda my: (my._order.finalize, {"csr": my._csr}),
    Step.POLL: lambda my: (my._place, None),
    Step.CERTIFICATE: lambda my: (my._order.certificate, None),
}

#: For each step, the function that reads the answer.
_ANSWERS: Final[dict[Step, Callable[[Any, Answer], Action]]] = {
    Step.DIRECTORY: Issuance._readDirectory,
    Step.NONCE: Issuance._readNonce,
    Step.ACCOUNT: Issuance._readAccount,
    Step.ORDER: Issuance._readOrder,
    Step.AUTHORIZATION: Issuance._readAuthorization,
    Step.CHALLENGE: Issuance._readChallenge,
    Step.CHECK: Issuance._readCheck,
    Step.FINALIZE: Issuance._readStatus,
    Step.POLL: Issuance._readStatus,
    Step.CERTIFICATE: Issuance._readCertificate,
}
