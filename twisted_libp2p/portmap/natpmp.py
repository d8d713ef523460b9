# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of NAT-PMP (RFC 6886).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.portmap.lease import IPProtocol, Port

__all__ = ["NAME", "PORT", "Answer", "Result", "addressRequest", "mapRequest"]

NAME: Final = "NAT-PMP"

#: The UDP port of a gateway, of NAT-PMP and of PCP.
PORT: Final = 5351

VERSION: Final = 0

#: The bit that distinguishes the operation of an answer from that of its request.
ANSWER: Final = 128

_ADDRESS: Final = 0
_OPERATIONS: Final = {IPProtocol.UDP: 1, IPProtocol.TCP: 2}

_REQUEST: Final = Struct(">BBHHHI")
_HEADER: Final = Struct(">BBHI")
_MAPPED: Final = Struct(">HHI")


class Result(IntEnum):
    """
    The results of a request.
    """

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORIZED = 2
    NETWORK_FAILURE = 3
    OUT_OF_RESOURCES = 4
    UNSUPPORTED_OPERATION = 5


def addressRequest() -> bytes:
    """
    Ask for the public address of the gateway.
    """
    return bytes((VERSION, _ADDRESS))


def mapRequest(port: Port, public: int, lifetime: int) -> bytes:
    """
    Ask for a public port.

    @param public: the number that we would like.
    @param lifetime: seconds; 0, with 0 as the public port, deletes the mapping.
    """
    operation = _OPERATIONS[port.protocol]
    return _REQUEST.pack(VERSION, operation, 0, port.number, public, lifetime)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of a gateway.

    @ivar result: a L{Result}, or a number that is not known.
    @ivar epoch: the seconds since the gateway has forgotten all mappings.
    @ivar address: its public address; None in an answer to L{mapRequest}, and in an
        error.
    @ivar port: our port; None in an answer to L{addressRequest}, and in an error that
        does not name it.
    @ivar public: the public port.
    @ivar lifetime: the seconds that the mapping lasts.
    """

    result: int
    epoch: int
    address: IPv4Address | None = None
    port: Port | None = None
    public: int = 0
    lifetime: int = 0

    @classmethod
    def fromBytes(cls, data: bytes) -> Answer:
        """
        Read an answer.

        @raise ProtocolViolation: the data is not an answer.
        """
        if len(data) < _HEADER.size or data[0] != VERSION:
            raise ProtocolViolation(NAME, "not an answer of NAT-PMP")
        _, operation, result, epoch = _HEADER.unpack_from(data)
        if operation == ANSWER + _ADDRESS:
            if result == Result.SUCCESS and len(data) >= 12:
                return cls(result, epoch, IPv4Address(data[8:12]))
            if result != Result.SUCCESS:
                return cls(result, epoch)
        for protocol, number in _OPERATIONS.items():
            if operation == ANSWER + number and len(data) >= 16:
                own, public, lifetime = _MAPPED.unpack_from(data, _HEADER.size)
                return cls(result, epoch, None, Port(protocol, own), public, lifetime)
        raise ProtocolViolation(NAME, "an answer of an unknown kind, or cut short")
