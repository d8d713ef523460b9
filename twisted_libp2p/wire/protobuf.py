# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reading protobuf messages of a protocol.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["K", "decode", "inWords", "kindOf"]

M = TypeVar("M", bound=Message)
K = TypeVar("K", bound=IntEnum)


def decode(message: M, data: bytes, protocol: str) -> M:
    """
    Decode a message.

    @param message: an empty message, which is filled and returned.
    @param protocol: the protocol id, for the error.
    @raise ProtocolViolation: it is malformed.
    """
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise ProtocolViolation(protocol, "not a protobuf message") from None
    return message


def kindOf(kinds: type[K], number: int, protocol: str) -> K:
    """
    Return the kind of a message.

    @param kinds: the kinds that there are.
    @param number: the number of one.
    @param protocol: the protocol id, for the error.
    @raise ProtocolViolation: the number is unknown.
    """
    try:
        return kinds(number)
    except ValueError:
        raise ProtocolViolation(
            protocol, f"a message of the unknown type {number}"
        ) from None


def inWords(codes: type[IntEnum], number: int, unknown: str) -> str:
    """
    Return the name of a code in words.

    @param codes: the codes that there are.
    @param number: one of them, or another number.
    @param unknown: what is returned for another number.
    """
    try:
        return codes(number).name.lower().replace("_", " ")
    except ValueError:
        return unknown
