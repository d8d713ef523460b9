# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of PCP, the Port Control Protocol (RFC 6887), as far as IPv4 mappings take
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.portmap.lease import IPProtocol, Port

__all__ = ["NAME", "NONCE_SIZE", "VERSION", "Answer", "Result", "mapRequest"]

NAME: Final = "PCP"

VERSION: Final = 2

#: The size of the nonce of a mapping, in bytes.
NONCE_SIZE: Final = 12

_MAP: Final = 1
_ANSWER: Final = 128

_REQUEST: Final = Struct(">BBHI16s")
_ANSWER_HEADER: Final = Struct(">BBxBII12x")
_MAPPING: Final = Struct(">12sB3xHH16s")

#: The beginning of an IPv6 address that stands for an IPv4 address.
_MAPPED: Final = bytes(10) + b"\xff\xff"


class Result(IntEnum):
    """
    The results of a request.
    """

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORIZED = 2
    MALFORMED_REQUEST = 3
    UNSUPPORTED_OPERATION = 4
    UNSUPPORTED_OPTION = 5
    MALFORMED_OPTION = 6
    NETWORK_FAILURE = 7
    NO_RESOURCES = 8
    UNSUPPORTED_PROTOCOL = 9
    USER_EXCEEDED_QUOTA = 10
    CANNOT_PROVIDE_EXTERNAL = 11
    ADDRESS_MISMATCH = 12
    EXCESSIVE_REMOTE_PEERS = 13


def mapRequest(
    port: Port,
    nonce: bytes,
    local: IPv4Address,
    lifetime: int,
    public: int = 0,
    address: IPv4Address = IPv4Address(0),  # noqa: B008
) -> bytes:
    """
    Ask for a public port.

    @param nonce: identifies the mapping, also when it is renewed and deleted.
    @param local: our address, as the gateway sees it.
    @param lifetime: seconds; 0 deletes the mapping.
    @param public: the public port that we would like.
    @param address: the public address that we would like; 0.0.0.0 for any.
    """
    return _REQUEST.pack(
        VERSION, _MAP, 0, lifetime, _MAPPED + local.packed
    ) + _MAPPING.pack(
        nonce, port.protocol.value, port.number, public, _MAPPED + address.packed
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer of a gateway to L{mapRequest}.

    @ivar result: a L{Result}, or a number that is not known.
    @ivar epoch: the seconds since the gateway has forgotten all mappings.
    @ivar lifetime: the seconds that the mapping lasts, or, in an error, that this error
        will last.
    @ivar nonce: the nonce of the request.
    @ivar port: our port.
    @ivar public: the public port.
    @ivar address: the public address; None if it is of IPv6.
    """

    result: int
    epoch: int
    lifetime: int
    nonce: bytes
    port: Port
    public: int
    address: IPv4Address | None

    @classmethod
    def fromBytes(cls, data: bytes) -> Answer:
        """
        Read an answer.

        @raise ProtocolViolation: the data is not an answer.
        """
        if len(data) < _ANSWER_HEADER.size + _MAPPING.size or len(data) > 1100:
            raise ProtocolViolation(NAME, "an answer of a wrong size")
        version, operation, result, lifetime, epoch = _ANSWER_HEADER.unpack_from(data)
        if version != VERSION or operation != _ANSWER + _MAP:
            raise ProtocolViolation(NAME, "not the answer to a request for a mapping")
        nonce, number, own, public, packed = _MAPPING.unpack_from(
            data, _ANSWER_HEADER.size
        )
        try:
            protocol = IPProtocol(number)
        except ValueError:
            raise ProtocolViolation(NAME, f"a mapping of protocol {number}") from None
        address = IPv6Address(packed).ipv4_mapped
        return cls(result, epoch, lifetime, nonce, Port(protocol, own), public, address)
