# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the answers of an authority.
"""

from __future__ import annotations

import json

from tests.fuzz.target import target
from twisted_libp2p.autotls.issuance import Done, Issuance, Publish, Send, Wait
from twisted_libp2p.autotls.issued import CertificateKey
from twisted_libp2p.autotls.jose import AccountKey
from twisted_libp2p.autotls.messages import Answer
from twisted_libp2p.errors import NoCertificate

CA = "https://ca.example"
_ACCOUNT = AccountKey.generate()
_KEY = CertificateKey()


@target
def acmeAnswers(data: bytes) -> None:
    """
    Whatever an authority answers, each request goes to its own server, and the try ends
    with a typed error, waits or goes on.  Each line is an answer: a status, a header
    and a body.
    """
    issuance = Issuance(f"{CA}/dir", _ACCOUNT, "*.a.example", b"csr")
    action = issuance.go()
    for line in data.split(b"\n"):
        status, _, rest = line.partition(b" ")
        header, _, body = rest.partition(b" ")
        text = header.decode("latin-1")
        headers = {"replay-nonce": "n", "location": text, "retry-after": text}
        number = int(status) if status.isdigit() and len(status) == 3 else 200
        while isinstance(action, Publish | Wait):
            if isinstance(action, Wait):
                assert 0 < action.seconds <= 60
            action = issuance.go()
        if isinstance(action, Done):
            return
        assert isinstance(action, Send)
        assert action.url.startswith(f"{CA}/")
        assert action.body is None or json.loads(action.body)
        try:
            action = issuance.answered(Answer(number, headers, body))
        except NoCertificate:
            return


@target
def acmeCertificates(data: bytes) -> None:
    """
    No bytes of a stranger are a certificate of a new key.
    """
    try:
        _KEY.issued(data, "*.a.example", 1_800_000_000.0)
    except NoCertificate:
        return
    raise AssertionError("a certificate from nowhere")
