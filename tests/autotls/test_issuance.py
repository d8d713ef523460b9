# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.issuance} and L{twisted_libp2p.autotls.messages}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.autotls.servers import unsigned
from twisted_libp2p.autotls.issuance import (
    MAX_BAD_NONCES,
    MAX_POLL,
    SETTLE_TIME,
    Action,
    Done,
    Issuance,
    Publish,
    Send,
    Wait,
)
from twisted_libp2p.autotls.jose import AccountKey
from twisted_libp2p.autotls.messages import Answer
from twisted_libp2p.errors import NoCertificate

CA = "https://ca.example"
KEY = AccountKey.generate()


def answer(value: Any = None, status: int = 200, **headers: str) -> Answer:
    """
    Make an answer with a nonce.
    """
    found = {"replay-nonce": "n"}
    found.update({name.replace("_", "-"): text for name, text in headers.items()})
    return Answer(status, found, json.dumps(value).encode())


DIRECTORY = {
    "newNonce": f"{CA}/nonce",
    "newAccount": f"{CA}/account",
    "newOrder": f"{CA}/order",
    "meta": {"termsOfService": f"{CA}/terms"},
}


def order(status: str = "pending", **more: Any) -> Answer:
    """
    Make an order.
    """
    fields = {
        "status": status,
        "authorizations": [f"{CA}/authz"],
        "finalize": f"{CA}/finalize",
        **more,
    }
    return answer(fields, location=f"{CA}/order/1")


def proof(status: str, **more: Any) -> Answer:
    """
    Make an authorization.
    """
    challenge = {"type": "dns-01", "url": f"{CA}/chal", "token": "t", **more}
    return answer({"status": status, "challenges": [challenge]})


class IssuanceTests(SynchronousTestCase):
    """
    The conversation, answer by answer.
    """

    def setUp(self) -> None:
        """
        Begin.
        """
        self.issuance = Issuance(f"{CA}/dir", KEY, "*.peer.example", b"request")

    def url(self, action: Action) -> str:
        """
        Return the URL of a request.
        """
        assert isinstance(action, Send)
        return action.url

    def go(self, *answers: Answer) -> Any:
        """
        Give answers, and return the last action.
        """
        action: Any = self.issuance.go()
        for each in answers:
            while isinstance(action, Publish | Wait):
                action = self.issuance.go()
            action = self.issuance.answered(each)
        return action

    def fails(self, *answers: Answer) -> str:
        """
        Give answers of which the last one ends the try, and return the reason.
        """
        self.setUp()
        return str(self.assertRaises(NoCertificate, self.go, *answers))

    def test_whole(self) -> None:
        """
        The usual way.
        """
        action = self.go()
        self.assertEqual(action, Send(b"GET", f"{CA}/dir"))
        action = self.issuance.answered(answer(DIRECTORY))
        self.assertEqual(self.url(action), f"{CA}/account")
        self.assertEqual(self.issuance.terms, f"{CA}/terms")
        self.issuance.answered(answer(status=201, location=f"{CA}/account/1"))
        self.issuance.answered(order())
        action = self.issuance.answered(proof("pending"))
        self.assertEqual(action, Publish(KEY.digest("t")))
        self.assertEqual(self.issuance.go(), Wait(SETTLE_TIME))
        action = self.issuance.go()
        self.assertEqual(self.url(action), f"{CA}/chal")
        self.assertEqual(self.issuance.answered(answer({})), Wait(1.0))
        self.assertEqual(self.url(self.issuance.go()), f"{CA}/authz")
        self.assertEqual(self.issuance.answered(proof("pending")), Wait(2.0))
        self.issuance.go()
        action = self.issuance.answered(proof("valid"))
        self.assertEqual(self.url(action), f"{CA}/finalize")
        self.assertIsInstance(self.issuance.answered(order("processing")), Wait)
        self.assertEqual(self.url(self.issuance.go()), f"{CA}/order/1")
        self.issuance.answered(order("valid", certificate=f"{CA}/cert"))
        last = Answer(200, {}, b"chain")
        self.assertEqual(self.issuance.answered(last), Done(b"chain"))

    def test_nonceMissing(self) -> None:
        """
        Without a nonce one is fetched; without another the try ends.
        """
        bare = Answer(200, {}, json.dumps(DIRECTORY).encode())
        self.assertEqual(self.go(bare), Send(b"HEAD", f"{CA}/nonce"))
        self.assertEqual(
            self.url(self.issuance.answered(answer())),
            f"{CA}/account",
        )
        self.assertIn("no nonce", self.fails(bare, Answer(200, {}, b"")))

    def test_badNonce(self) -> None:
        """
        A refused nonce is replaced by that of the refusal, not for ever.
        """
        bad = answer(
            {"type": "urn:ietf:params:acme:error:badNonce"}, 400, replay_nonce="m"
        )
        action = self.go(answer(DIRECTORY), bad)
        self.assertEqual(unsigned(action.body)[0]["nonce"], "m")
        self.assertIn(
            "nonces", self.fails(answer(DIRECTORY), *[bad] * (MAX_BAD_NONCES + 1))
        )

    def test_proven(self) -> None:
        """
        A proof that is still valid is not given again.
        """
        account = answer(status=201, location=f"{CA}/account/1")
        action = self.go(answer(DIRECTORY), account, order("ready"))
        self.assertEqual(self.url(action), f"{CA}/finalize")
        self.setUp()
        action = self.go(answer(DIRECTORY), account, order(), proof("valid"))
        self.assertEqual(self.url(action), f"{CA}/finalize")

    def test_refusals(self) -> None:
        """
        Each refusal is reported with its reason.
        """
        begun = answer(DIRECTORY), answer(status=201, location=f"{CA}/account/1")
        challenged = *begun, order(), proof("pending"), answer({})
        for said, *answers in (
            ("status 500", answer(status=500)),
            ("status 301", answer(status=301, location=f"{CA}/x")),
            ("too many", *begun, answer({"detail": "too many"}, 429)),
            ("other proofs", *begun, order(authorizations=[f"{CA}/1", f"{CA}/2"])),
            ("one of its own", *begun, order(finalize="https://ca.example:1/f")),
            ("one of its own", *begun, order(finalize=f"{CA}/ \r\n")),
            ("is invalid: no", *begun, order("invalid", error={"detail": "no"})),
            ("proof is expired", *begun, order(), proof("expired")),
            ("no proof by DNS", *begun, order(), proof("pending", type="http-01")),
            ("no valid token", *begun, order(), proof("pending", token="a b")),
            (
                "the proof: wrong",
                *challenged,
                proof("invalid", error={"detail": "wrong"}),
            ),
        ):
            self.assertIn(said, self.fails(*answers))

    def test_pauses(self) -> None:
        """
        The authority says when it wants to be asked again, within bounds.
        """
        begun = answer(DIRECTORY), answer(status=201, location=f"{CA}/account/1")
        for text, seconds in (("5", 5.0), ("0", 1.0), ("999999", MAX_POLL)):
            self.setUp()
            action = self.go(
                *begun, order(), proof("pending"), answer({}, retry_after=text)
            )
            self.assertEqual(action, Wait(seconds))
        for text in ("-1", "1e9", "9" * 400, "Mon, 30 Nov 2026 12:00:00 GMT"):
            self.assertIsNone(answer(retry_after=text).pause)
