# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ways to have a port mapped: what PCP, NAT-PMP and UPnP have in common, and the two
that are asked in datagrams.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address
from secrets import token_bytes
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.errors import DoubleNAT, MappingRefused, NoGateway
from twisted_libp2p.portmap import natpmp, pcp
from twisted_libp2p.portmap.datagrams import Questions
from twisted_libp2p.portmap.epoch import Epoch
from twisted_libp2p.portmap.lease import Gateway, Lease, Port
from twisted_libp2p.portmap.mapping import LIFETIME
from twisted_libp2p.wire.protobuf import inWords

__all__ = ["NATPMP", "PCP", "Way"]


class Way(Protocol):
    """
    A protocol by which a gateway is asked.

    All methods raise L{NoGateway<twisted_libp2p.errors.NoGateway>} if it does not
    answer, and L{MappingRefused} or L{DoubleNAT} if it does not do what it is asked.
    """

    name: str

    async def open(self) -> None:
        """
        Find out whether the gateway answers.
        """

    async def map(self, port: Port, public: int) -> Lease:
        """
        Map a port, or renew its mapping.

        @param public: the public port that we would like.
        """

    async def unmap(self, port: Port, public: int) -> None:
        """
        Delete a mapping.
        """

    async def look(self, port: Port, lease: Lease) -> bool:
        """
        Find out whether the gateway still knows a mapping.
        """


def _refusal(way: str, results: type[IntEnum], code: int) -> MappingRefused:
    """
    Return the error for the result of a gateway.
    """
    return MappingRefused(way, code, inWords(results, code, "no known reason"))


class PCP:
    """
    The Port Control Protocol.
    """

    name = pcp.NAME

    def __init__(
        self,
        questions: Questions,
        gateway: Gateway,
        clock: IReactorTime,
        epoch: Epoch,
    ) -> None:
        """
        @param epoch: takes the clock of the gateway.
        """
        self._questions = questions
        self._local = gateway.local
        self._clock = clock
        self._epoch = epoch
        self._nonces: dict[Port, bytes] = {}

    async def open(self) -> None:
        """
        Do nothing: the first mapping shows it.
        """

    async def map(self, port: Port, public: int) -> Lease:
        """
        Map a port, or renew its mapping.
        """
        answer = await self._ask(port, public, LIFETIME)
        if answer.address is None:
            raise MappingRefused(self.name, answer.result, "an address of IPv6")
        return Lease(answer.address, answer.public, answer.lifetime)

    async def unmap(self, port: Port, public: int) -> None:
        """
        Delete a mapping.
        """
        await self._ask(port, 0, 0)
        del self._nonces[port]

    async def look(self, port: Port, lease: Lease) -> bool:
        """
        Renew a mapping: its answer has the public address, too.
        """
        renewed = await self.map(port, lease.port)
        return (renewed.address, renewed.port) == (lease.address, lease.port)

    async def _ask(self, port: Port, public: int, lifetime: int) -> pcp.Answer:
        nonce = self._nonces.get(port)
        if nonce is None:
            nonce = self._nonces[port] = token_bytes(pcp.NONCE_SIZE)
        request = pcp.mapRequest(port, nonce, self._local, lifetime, public)

        def read(data: bytes) -> pcp.Answer | None:
            if data[:1] == b"\0" and data[2:4] == b"\0\1":
                # A gateway that speaks NAT-PMP alone.
                code = pcp.Result.UNSUPPORTED_VERSION
                return pcp.Answer(code, 0, 0, b"", port, 0, None)
            answer = pcp.Answer.fromBytes(data)
            return answer if (answer.nonce, answer.port) == (nonce, port) else None

        answer = await self._questions.ask(request, read)
        if answer.result == pcp.Result.UNSUPPORTED_VERSION:
            raise NoGateway("it does not speak version 2 of PCP")
        if answer.result:
            raise _refusal(self.name, pcp.Result, answer.result)
        self._epoch.take(self._clock.seconds(), answer.epoch)
        return answer


class NATPMP:
    """
    The NAT Port Mapping Protocol.
    """

    name = natpmp.NAME

    def __init__(
        self,
        questions: Questions,
        clock: IReactorTime,
        epoch: Epoch,
    ) -> None:
        """
        @param epoch: takes the clock of the gateway.
        """
        self._questions = questions
        self._clock = clock
        self._epoch = epoch
        self._address = IPv4Address(0)

    async def open(self) -> None:
        """
        Ask for the public address.
        """
        answer = await self._ask(natpmp.addressRequest(), None)
        assert answer.address is not None
        self._address = answer.address

    async def map(self, port: Port, public: int) -> Lease:
        """
        Map a port, or renew its mapping.
        """
        request = natpmp.mapRequest(port, public, LIFETIME)
        answer = await self._ask(request, port)
        return Lease(self._address, answer.public, answer.lifetime)

    async def unmap(self, port: Port, public: int) -> None:
        """
        Delete a mapping.
        """
        await self._ask(natpmp.mapRequest(port, 0, 0), port)

    async def look(self, port: Port, lease: Lease) -> bool:
        """
        Ask for the public address again: the clock in the answer shows whether the
        mappings still exist.
        """
        await self.open()
        return self._address == lease.address

    async def _ask(self, request: bytes, port: Port | None) -> natpmp.Answer:
        def read(data: bytes) -> natpmp.Answer | None:
            answer = natpmp.Answer.fromBytes(data)
            return answer if answer.port == port else None

        answer = await self._questions.ask(request, read)
        if answer.result == natpmp.Result.NETWORK_FAILURE:
            raise DoubleNAT
        if answer.result:
            raise _refusal(self.name, natpmp.Result, answer.result)
        self._epoch.take(self._clock.seconds(), answer.epoch)
        return answer
