# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
UPnP: finds the gateway's device by multicast, and asks its service.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol

from twisted_libp2p.address import Scope
from twisted_libp2p.errors import (
    DoubleNAT,
    MappingRefused,
    NoGateway,
    ProtocolViolation,
)
from twisted_libp2p.portmap import soap, ssdp
from twisted_libp2p.portmap.fetching import Fetcher
from twisted_libp2p.portmap.lease import Gateway, Lease, Port
from twisted_libp2p.portmap.mapping import LIFETIME

__all__ = ["UPnP"]

#: Seconds of a search, and the seconds after which it is repeated.
SEARCH_TIME: Final = 3.0
REPETITION: Final = 1.0

#: How many public ports are tried.
TRIES: Final = 4

#: The first of the public ports that are tried after the one of our own number.
FIRST_PORT: Final = 10000

# Errors of a service.
_PERMANENT_ONLY: Final = 725
_NO_SUCH_ENTRY: Final = 714
#: The port leads to another host, or to another mechanism of the gateway.
_TAKEN: Final = (718, 729)


class _Search(DatagramProtocol):
    """
    Searches for the device of one gateway.
    """

    noisy = False
    transport: Any = None

    def __init__(self, reactor: Any, gateway: Gateway) -> None:
        self._reactor = reactor
        self._gateway = gateway
        self._found: Deferred[str] = Deferred(lambda _: self.stop())
        self._calls: list[IDelayedCall] = []
        self._port: Any = None

    def start(self) -> Deferred[str]:
        """
        Begin.

        @return: fires with the URL of the description, which leads to the gateway.
            Fails with L{NoGateway} if no device answers in time.
        """
        local = str(self._gateway.local)
        try:
            self._port = self._reactor.listenMulticast(0, self, interface=local)
            self.transport.setOutgoingInterface(local)
            self._send()
        except OSError as error:
            self._fail(str(error))
        else:
            self._calls = [
                self._reactor.callLater(REPETITION, self._again),
                self._reactor.callLater(SEARCH_TIME, self._fail, "no device answers"),
            ]
        return self._found

    def stop(self) -> None:
        """
        End the search.
        """
        for each in self._calls:
            if each.active():
                each.cancel()
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Take an answer: that of the gateway, with a place at the gateway.
        """
        if self._port is None or addr[0] != str(self._gateway.address):
            return
        with suppress(ProtocolViolation):
            url = ssdp.onlyAt(ssdp.location(datagram), self._gateway.address)
            self.stop()
            self._found.callback(url)

    def _send(self) -> None:
        for each in ssdp.searches():
            self.transport.write(each, (ssdp.GROUP, ssdp.PORT))

    def _again(self) -> None:
        try:
            self._send()
        except OSError as error:
            self._fail(str(error))

    def _fail(self, message: str) -> None:
        self.stop()
        self._found.errback(NoGateway(f"{soap.NAME}: {message}"))


class UPnP:
    """
    The Internet Gateway Device protocol.
    """

    name = soap.NAME

    def __init__(
        self,
        reactor: Any,
        gateway: Gateway,
        random: Callable[[], float],
    ) -> None:
        """
        @param random: returns numbers from 0 to 1, for public ports.
        """
        self._reactor = reactor
        self._gateway = gateway
        self._random = random
        self._fetcher = Fetcher(reactor)
        self._control: soap.Control | None = None
        self._address = IPv4Address(0)
        self._lifetime = LIFETIME

    async def open(self) -> None:
        """
        Find the device, and ask for the public address.
        """
        base = await _Search(self._reactor, self._gateway).start()
        try:
            found = soap.control(await self._fetcher.get(base), base)
            ssdp.onlyAt(found.url, self._gateway.address)
        except ProtocolViolation as error:
            raise NoGateway(str(error)) from None
        self._control = found
        self._address = await self._publicAddress()
        if Scope.ofHost(self._address.packed) is not Scope.PUBLIC:
            raise DoubleNAT(self._address if int(self._address) else None)

    async def map(self, port: Port, public: int) -> Lease:
        """
        Map a port, or renew its mapping.
        """
        for tried in range(TRIES):
            try:
                await self._add(port, public)
            except MappingRefused as error:
                if error.code == _PERMANENT_ONLY and self._lifetime:
                    self._lifetime = 0
                elif error.code not in _TAKEN or tried == TRIES - 1:
                    raise
                else:
                    public = FIRST_PORT + int(self._random() * (65535 - FIRST_PORT))
            else:
                break
        return Lease(self._address, public, LIFETIME)

    async def unmap(self, port: Port, public: int) -> None:
        """
        Delete a mapping.
        """
        await self._ask(
            "DeletePortMapping",
            NewRemoteHost="",
            NewExternalPort=public,
            NewProtocol=port.protocol.name,
        )

    async def look(self, port: Port, lease: Lease) -> bool:
        """
        Ask for the mapping, and for the public address.
        """
        try:
            entry = await self._ask(
                "GetSpecificPortMappingEntry",
                NewRemoteHost="",
                NewExternalPort=lease.port,
                NewProtocol=port.protocol.name,
            )
        except MappingRefused as error:
            if error.code == _NO_SUCH_ENTRY:
                return False
            raise
        self._address = await self._publicAddress()
        ours = str(self._gateway.local), str(port.number)
        return self._address == lease.address and ours == (
            entry.get("NewInternalClient"),
            entry.get("NewInternalPort"),
        )

    async def _publicAddress(self) -> IPv4Address:
        text = (await self._ask("GetExternalIPAddress")).get("NewExternalIPAddress", "")
        try:
            return IPv4Address(text)
        except AddressValueError:
            # So a device that has no connection says it.
            return IPv4Address(0)

    async def _add(self, port: Port, public: int) -> None:
        await self._ask(
            "AddPortMapping",
            NewRemoteHost="",
            NewExternalPort=public,
            NewProtocol=port.protocol.name,
            NewInternalPort=port.number,
            NewInternalClient=self._gateway.local,
            NewEnabled=1,
            NewPortMappingDescription="libp2p",
            NewLeaseDuration=self._lifetime,
        )

    async def _ask(self, action: str, **arguments: object) -> dict[str, str]:
        """
        Ask the service.

        @return: the values of its answer, by name.
        """
        control = self._control
        assert control is not None
        code, document = await self._fetcher.post(
            control.url,
            f"{control.service}#{action}",
            soap.request(control.service, action, **arguments),
        )
        try:
            found = soap.fields(document)
        except ProtocolViolation as error:
            raise NoGateway(str(error)) from None
        if code != 200:
            number = found.get("errorCode", "")
            raise MappingRefused(
                self.name,
                int(number) if number.isdecimal() and len(number) < 6 else code,
                found.get("errorDescription", "no known reason"),
            )
        return found
