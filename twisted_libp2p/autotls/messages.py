# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The answers of an authority, checked field by field (RFC 8555, section 7.1).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from twisted_libp2p.errors import NoCertificate

__all__ = [
    "BAD_NONCE",
    "MAX_ANSWER",
    "Answer",
    "Authorization",
    "Directory",
    "Order",
    "Site",
    "readProblem",
]

#: Maximum size of the body of an answer, in bytes.
MAX_ANSWER: Final = 64 * 1024

#: Maximum length of a URL, of a token and of a nonce.
_MAX_TEXT: Final = 2048

_BASE64: Final = re.compile(r"[A-Za-z0-9_-]+")
_URL: Final = re.compile(r"[!-~]+")

#: The type of the problem after which a request is repeated with another nonce.
BAD_NONCE: Final = "urn:ietf:params:acme:error:badNonce"


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of HTTP.

    @ivar status: its status.
    @ivar headers: its headers, with names in small letters; the last one of each name.
    @ivar body: its body, of L{MAX_ANSWER} bytes at most.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def nonce(self) -> str | None:
        """
        The nonce for the next request; None without a valid one.
        """
        nonce = self.headers.get("replay-nonce", "")
        valid = len(nonce) <= _MAX_TEXT and _BASE64.fullmatch(nonce)
        return nonce if valid else None

    @property
    def pause(self) -> float | None:
        """
        The seconds after which the server wants to be asked again; None if it does not
        say.
        """
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() and len(text) <= 6 else None

    def fields(self) -> dict[str, Any]:
        """
        Return the fields of an object.

        @raise NoCertificate: the body is not an object in JSON.
        """
        found = self._object()
        if found is None:
            raise NoCertificate("the authority does not answer with an object in JSON")
        return found

    def problem(self) -> dict[str, Any]:
        """
        Return the fields of a problem (RFC 9457); empty without one.
        """
        return self._object() or {}

    def _object(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class Site:
    """
    The server of an authority.  All URLs in its answers have to lead to it.
    """

    def __init__(self, directory: str) -> None:
        """
        @param directory: the URL of the directory.
        """
        self.directory = directory
        scheme, place, *_ = urlsplit(directory)
        self._beginning = f"{scheme}://{place}/"

    def url(self, value: object) -> str:
        """
        Check a URL of an answer.

        @raise NoCertificate: it is malformed, or leads to another server.
        """
        if (
            isinstance(value, str)
            and len(value) <= _MAX_TEXT
            and _URL.fullmatch(value)
            and value.startswith(self._beginning)
        ):
            return value
        raise NoCertificate("the authority names a URL that is not one of its own")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else []
    return [each for each in found if isinstance(each, dict)]


@dataclass(frozen=True, slots=True)
class Directory:
    """
    The places of an authority.

    @ivar terms: the URL of its terms; empty if it names none.
    """

    newNonce: str
    newAccount: str
    newOrder: str
    terms: str

    @classmethod
    def read(cls, answer: Answer, site: Site) -> Directory:
        """
        Read the directory.

        @raise NoCertificate: it is malformed.
        """
        fields = answer.fields()
        meta = fields.get("meta")
        terms = meta.get("termsOfService") if isinstance(meta, dict) else None
        return cls(
            site.url(fields.get("newNonce")),
            site.url(fields.get("newAccount")),
            site.url(fields.get("newOrder")),
            _text(terms),
        )


@dataclass(frozen=True, slots=True)
class Order:
    """
    An order of a certificate.

    @ivar certificate: the URL of the certificate; None until the order is valid.
    @ivar problem: the reason for which there will be none.
    """

    status: str
    authorization: str
    finalize: str
    certificate: str | None
    problem: str

    @classmethod
    def read(cls, answer: Answer, site: Site) -> Order:
        """
        Read an order.

        @raise NoCertificate: it is malformed.
        """
        fields = answer.fields()
        authorizations = fields.get("authorizations")
        if not isinstance(authorizations, list) or len(authorizations) != 1:
            raise NoCertificate(
                "the authority wants other proofs than that of one name"
            )
        certificate = fields.get("certificate")
        return cls(
            _text(fields.get("status")),
            site.url(authorizations[0]),
            site.url(fields.get("finalize")),
            None if certificate is None else site.url(certificate),
            readProblem(fields.get("error")),
        )


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    The proof of a name, by a TXT record.

    @ivar problem: the reason for which it was refused.
    """

    status: str
    url: str
    token: str
    problem: str

    @classmethod
    def read(cls, answer: Answer, site: Site) -> Authorization:
        """
        Read an authorization.

        @raise NoCertificate: it is malformed, or cannot be had by a TXT record.
        """
        fields = answer.fields()
        for each in _objects(fields.get("challenges")):
            if each.get("type") == "dns-01":
                token = _text(each.get("token"))
                if len(token) > _MAX_TEXT or not _BASE64.fullmatch(token):
                    raise NoCertificate("the authority has sent no valid token")
                return cls(
                    _text(fields.get("status")),
                    site.url(each.get("url")),
                    token,
                    readProblem(each.get("error")),
                )
        raise NoCertificate("the authority accepts no proof by DNS")


def readProblem(value: object) -> str:
    """
    Return the text of a problem; empty if it has none.
    """
    if not isinstance(value, dict):
        return ""
    return _text(value.get("detail")) or _text(value.get("type"))
