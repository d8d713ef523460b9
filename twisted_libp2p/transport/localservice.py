# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A service that listens for programs of this machine: on loopback by default.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.loopback import localServer

__all__ = ["LocalService"]


class LocalService(Service):
    """
    Listens on an endpoint for as long as it runs.

    Subclasses define L{makeFactory}, and may define L{closed}.

    @cvar needed: whether the program cannot do without it, and ends if it cannot
        listen.
    @ivar reactor: the reactor that listens.
    """

    needed = True
    _log = Logger()

    def __init__(
        self, reactor: Any, description: str | None, endpoint: Any = None
    ) -> None:
        """
        Prepare the endpoint.

        @param reactor: the reactor that listens.
        @param description: the endpoint that it listens on, on loopback unless it
            names an C{interface}.
        @param endpoint: an endpoint of Twisted, in place of a description.
        @raise ConfigurationError: the endpoint is invalid.
        """
        self.reactor = reactor
        self._endpoint: IStreamServerEndpoint = (
            endpoint if description is None else localServer(reactor, description)
        )
        self._listening: Deferred[IListeningPort] | None = None
        self._port: IListeningPort | None = None
        self._failure: Failure | None = None

    def makeFactory(self) -> IProtocolFactory:
        """
        Make the factory of the accepted connections; called at each start.
        """
        raise NotImplementedError

    def placeOf(self, address: IAddress) -> object:
        """
        Return the address of the port as the log shows it.
        """
        return address

    async def closed(self) -> None:
        """
        End what is left after a stop of listening.  By default nothing is.
        """

    def privilegedStartService(self) -> None:
        """
        Listen before C{twistd} changes its user, for only root may listen on low
        ports.

        @raise Exception: it cannot; the program should end.
        """
        super().privilegedStartService()
        self._listen()
        if self._failure is not None and self.needed:
            self._failure.raiseException()

    def startService(self) -> None:
        """
        Listen; L{whenListening} reports the result.
        """
        super().startService()
        if self._listening is None:
            self._listen()

    def _listen(self) -> None:
        factory = self.makeFactory()
        self._failure = None
        listening: Deferred[Any] = self._endpoint.listen(factory)
        self._listening = listening.addCallbacks(self._succeeded, self._failed)

    def _succeeded(self, port: IListeningPort) -> IListeningPort:
        self._port = port
        address = self.placeOf(port.getHost())
        self._log.info("{name} on {address}", name=self.name, address=address)
        return port

    def _failed(self, reason: Failure) -> Any:
        self._failure = reason
        if reason.check(CancelledError):
            return
        self._log.error(
            "no {name}: {error}", name=self.name, error=reason.getErrorMessage()
        )

    def whenListening(self) -> Deferred[IListeningPort]:
        """
        Wait until the service listens.

        @return: fires with the port; fails with the error of listening.
        """
        if self._listening is None:
            return fail(ConfigurationError(f"the {self.name} service is not started"))
        waiting: Deferred[IListeningPort] = Deferred()

        def report(port: Any) -> Any:
            if self._failure is None:
                waiting.callback(port)
            else:
                waiting.errback(self._failure)
            return port

        self._listening.addCallback(report)
        return waiting

    def stopService(self) -> Deferred[None]:
        """
        Stop listening.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        await self.closed()
