# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The protocol ids that our own side names, checked before they are proposed or served.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.negotiation.multistream import MAX_PROTOCOL_ID, WORDS, spoken

__all__ = ["proposals"]


def proposals(protocols: str | Iterable[str]) -> tuple[str, ...]:
    """
    Read the protocol ids that our own side names.

    @param protocols: one id, or several.
    @raise ConfigurationError: there is none, or one is no protocol id.
    """
    if type(protocols) is str:
        # The usual case.
        return _single(protocols)
    if isinstance(protocols, str | bytes):
        return _single(_text(protocols))
    if not isinstance(protocols, Iterable):
        raise ConfigurationError(
            f"{_short(protocols)} is neither a protocol id nor a list of them"
        )
    ids = tuple([_single(_text(each))[0] for each in protocols])
    if not ids:
        raise ConfigurationError(
            "no protocol id is given: /my-protocol/1.0.0 would be one"
        )
    return ids


def _text(value: object) -> str:
    """
    Return a text that may be a protocol id.

    @raise ConfigurationError: it is not a text.
    """
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{_short(value)} is no protocol id: it has to be a str, as"
            " '/my-protocol/1.0.0'"
        )
    return value


@lru_cache(256)
def _single(text: str) -> tuple[str]:
    """
    Return the proposal of one protocol id.

    @raise ConfigurationError: the text is not a protocol id.
    """
    if text in WORDS:
        raise ConfigurationError(
            f"{text} is a word of multistream-select itself, and no protocol id"
        )
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{_short(text)} is no protocol id: it is not valid Unicode"
        ) from None
    if not 0 < size <= MAX_PROTOCOL_ID or not spoken(text):
        raise ConfigurationError(
            f"{_short(text)} is no protocol id: it needs 1 to {MAX_PROTOCOL_ID} bytes"
            " without a newline"
        )
    return (text,)


def _short(value: object) -> str:
    """
    Format a value for an error.
    """
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
