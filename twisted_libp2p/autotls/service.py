# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that gets a certificate, and keeps it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from random import random
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.autotls.broker import Broker
from twisted_libp2p.autotls.client import Client, makeAgent
from twisted_libp2p.autotls.events import (
    CertificateExpired,
    CertificateFailed,
    CertificateObtained,
)
from twisted_libp2p.autotls.files import Files
from twisted_libp2p.autotls.held import HeldCertificate
from twisted_libp2p.autotls.issuance import Issuance, Publish, Send, Wait
from twisted_libp2p.autotls.issued import CertificateKey, IssuedCertificate
from twisted_libp2p.autotls.names import PeerNames
from twisted_libp2p.autotls.renewal import MIN_RETRY, Effect, Event, Renewal, State
from twisted_libp2p.errors import ConfigurationError, Libp2pError, NoCertificate
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.interfaces import IHost, IHostService, ISubscription
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

__all__ = ["BROKER", "DIRECTORY", "DOMAIN", "AutoTLS"]

#: The authority: Let's Encrypt.
DIRECTORY: Final = "https://acme-v02.api.letsencrypt.org/directory"

#: The broker of the libp2p project, and its domain.
BROKER: Final = "https://registration.libp2p.direct"
DOMAIN: Final = "libp2p.direct"

#: Seconds for one try to get a certificate, all of it.
TRY_TIME: Final = 300.0

#: Seconds before the end of a certificate at which its addresses are withdrawn: clocks
#: of browsers may be ahead, and peers pass addresses on.
MARGIN: Final = 3600.0

#: The longest delay of a timer, in seconds: the clock of this host may be set, and
#: timers stand still while it is suspended.
MAX_DELAY: Final = 3600.0

_KIND: Final = "application/jose+json"


@implementer(IHostService)
class AutoTLS(Service):
    """
    Gets a certificate for the secure WebSockets of a node::

        autotls = AutoTLS("data")
        node = Node(
            reactor,
            listen=["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/tcp/4001/tls/ws"],
            transports=["tcp", autotls.transport()],
            services=[autotls],
        )

    Nobody is asked for anything until the node has an address that the broker can dial.
    Using it means to agree to the terms of the authority and of the broker.

    @ivar certificate: the certificate of new connections.
    @ivar problem: the reason of the last failure; None after a success.
    """

    name = "autotls"
    _log = Logger()

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        directory: str = DIRECTORY,
        broker: str = BROKER,
        domain: str = DOMAIN,
        roots: str | os.PathLike[str] | None = None,
        agent: IAgent | None = None,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = random,
    ) -> None:
        """
        @param folder: the folder of the account's key and of the certificate.
        @param directory: the URL of the directory of an authority, by ACME.
        @param broker: the URL of the broker.  Of a broker of one's own it is assumed
            that it can dial private addresses.
        @param domain: the domain of the broker.
        @param roots: a PEM file of the authorities that the servers of both have to be
            certified by; those of the system by default.
        @param agent: sends the requests; by default one of Twisted.
        @param wall: returns the seconds since 1970.
        @param random: returns numbers from 0 to 1, which spread the waits.
        @raise ConfigurationError: one of them is not such a URL or domain.
        """
        for url in (directory, broker):
            _check(url)
        self.certificate = HeldCertificate()
        self.problem: BaseException | None = None
        self._directory = directory
        self._brokerURL = broker.rstrip("/")
        self._domain = domain
        self._roots = roots
        self._agent = agent
        self._files = Files(folder)
        self._wall = wall
        self._renewal = Renewal(random)
        self._subscription: ISubscription | None = None
        self._due: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None
        self._asking: Deferred[IssuedCertificate] | None = None

    @property
    def wanted(self) -> str:
        """
        The name that the certificate is for.
        """
        return self._names.wildcard

    @property
    def state(self) -> str:
        """
        The state: C{idle} while the broker can dial no address, C{waiting}, or
        C{asking}.
        """
        return self._renewal.state.value

    @property
    def failures(self) -> int:
        """
        The number of failed requests since the last success.
        """
        return self._renewal.failures

    @property
    def due(self) -> float | None:
        """
        The time of the next request, in seconds since 1970; None if none is planned.
        """
        if self._renewal.state is not State.WAITING:
            return None
        now = self._wall()
        return now + self._renewal.wait(now)

    def transport(self) -> SecureWebSockets:
        """
        Return the provider of the transport that uses the certificate.
        """
        return SecureWebSockets(self._roots, self.certificate)

    def attach(self, host: IHost) -> None:
        """
        Take the node.

        @raise ConfigurationError: the node dials through a proxy, which the requests
            would go around; or the domain is not one.
        """
        if host.proxy is not None:
            raise ConfigurationError(
                f"AutoTLS: the requests would go around the proxy {host.proxy}"
            )
        self._host = host
        self._names = PeerNames(host.peerID, self._domain)
        if self._agent is None:
            self._agent = makeAgent(host.reactor, self._roots)
        self._client = Client(host.clock, self._agent)
        self._broker = Broker(host.clock, self._agent, host.identity, self._brokerURL)
        host.ownAddresses.rewrite(self._form)

    def startService(self) -> None:
        """
        Use the stored certificate, and ask for one when it is due.
        """
        super().startService()
        self._log.info(
            "AutoTLS gets a certificate for {name} from {directory} and {broker}, whose"
            " terms you agree to by using it; it is public, and shows the id of this"
            " node",
            name=self._names.wildcard,
            directory=self._directory,
            broker=self._brokerURL,
        )
        stored = self._files.certificate(self._names.wildcard, self._wall())
        if stored is not None:
            self._hold(stored)
        self._subscription = self._host.events.subscribe(
            AddressesChanged, self._changed
        )
        self._look()

    def stopService(self) -> None:
        """
        Ask no longer.
        """
        super().stopService()
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None
        self._do(self._renewal.happened(Event.STOPPED))
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    # The addresses

    def _form(self, address: Multiaddr) -> Multiaddr | None:
        """
        Write an address in the form for peers: with the name in the certificate, or not
        at all without a certificate.
        """
        if not self._names.needs(address):
            return address
        present = self.certificate.present
        return None if present is None else self._names.named(address)

    def _reachable(self) -> list[Multiaddr]:
        """
        Return the addresses that the broker can dial.
        """
        public = self._brokerURL == BROKER
        return [
            each
            for each in self._host.ownAddresses.dialable()
            if not each.relayed and (not public or Scope.of(each) is Scope.PUBLIC)
        ]

    def _changed(self, event: AddressesChanged) -> None:
        if event.peer == self._host.peerID:
            self._look()

    def _look(self) -> None:
        """
        Find out whether the broker can dial this node.
        """
        reachable = Event.REACHABLE if self._reachable() else Event.UNREACHABLE
        self._do(self._renewal.happened(reachable))

    # The certificate

    def _hold(self, certificate: IssuedCertificate, earliest: float = 0.0) -> None:
        """
        Use a certificate, and announce its addresses.

        @param earliest: the time before which no other one is asked for.
        """
        self._renewal.held(certificate.begins, certificate.expires, earliest)
        self.certificate.hold(certificate)
        self._host.ownAddresses.rewrite(self._form)
        self._lookAtExpiry()

    def _lookAtExpiry(self) -> None:
        """
        Withdraw the addresses of the certificate before it expires.
        """
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self._expiry = None
        present = self.certificate.present
        if present is None:
            return
        left = present.expires - MARGIN - self._wall()
        if left > 0:
            self._expiry = self._host.clock.callLater(
                min(left, MAX_DELAY), self._lookAtExpiry
            )
            return
        self._log.warn(
            "the certificate for {name} expires: its addresses are withdrawn",
            name=self._names.wildcard,
        )
        self.certificate.hold(None)
        self._host.ownAddresses.rewrite(self._form)
        self._host.events.publish(
            CertificateExpired(
                time=self._host.clock.seconds(), name=self._names.wildcard
            )
        )

    # Requests

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for each in effects:
            _EFFECTS[each](self)

    def _wait(self) -> None:
        seconds = min(self._renewal.wait(self._wall()), MAX_DELAY)
        self._due = self._host.clock.callLater(seconds, self._waited)

    def _waited(self) -> None:
        """
        Ask, unless the wait is longer than one timer.
        """
        self._due = None
        if self._renewal.isDue(self._wall()):
            self._do(self._renewal.happened(Event.DUE))
        elif self._renewal.state is State.WAITING:
            self._wait()

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            due.cancel()
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()

    def _ask(self) -> None:
        asking = Deferred.fromCoroutine(self._obtain())
        self._asking = asking
        addTimeout(asking, TRY_TIME, self._host.clock).addErrback(_late)
        asking.addCallbacks(self._obtained, self._failed, (asking,), {}, (asking,))

    async def _obtain(self) -> IssuedCertificate:
        """
        Get a certificate.

        @raise NoCertificate: the try has failed.
        """
        name, key = self._names.wildcard, CertificateKey()
        account = self._files.account()
        issuance = Issuance(self._directory, account, name, key.request(name))
        action = issuance.go()
        while True:
            match action:
                case Send():
                    answer = await self._client.send(
                        action.method, action.url, action.body, _KIND
                    )
                    action = issuance.answered(answer)
                case Publish():
                    await self._broker.publish(action.value, self._reachable())
                    action = issuance.go()
                case Wait():
                    await deferLater(self._host.clock, action.seconds)
                    action = issuance.go()
                case _:
                    return key.issued(action.chain, name, self._wall())

    def _obtained(self, certificate: IssuedCertificate, asking: object) -> None:
        if asking is not self._asking:
            return
        self._asking = None
        self.problem = None
        self._files.store(certificate)
        self._hold(certificate, self._wall() + MIN_RETRY)
        self._log.info(
            "the certificate for {name} is in use for {days:.0f} days",
            name=self._names.wildcard,
            days=(certificate.expires - self._wall()) / 86400,
        )
        self._host.events.publish(
            CertificateObtained(
                time=self._host.clock.seconds(),
                name=self._names.wildcard,
                expires=certificate.expires,
            )
        )
        self._do(self._renewal.happened(Event.OBTAINED))
        self._look()

    def _failed(self, failure: Failure, asking: object) -> None:
        if asking is not self._asking or failure.check(CancelledError):
            return
        self._asking = None
        if not failure.check(Libp2pError):
            self._log.failure("cannot get a certificate", failure)
        reason = failure.value
        assert reason is not None
        self.problem = reason
        pause = reason.pause if isinstance(reason, NoCertificate) else None
        now = self._wall()
        self._do(self._renewal.failed(now, pause))
        retry = self._renewal.wait(now)
        self._log.warn(
            "AutoTLS: {error}; the next try is in {minutes:.0f} minutes",
            error=str(reason),
            minutes=retry / 60,
        )
        self._host.events.publish(
            CertificateFailed(
                time=self._host.clock.seconds(), reason=reason, retry=retry
            )
        )
        self._look()


_EFFECTS: Final[dict[Effect, Callable[[Any], None]]] = {
    Effect.ASK: AutoTLS._ask,
    Effect.WAIT: AutoTLS._wait,
    Effect.CANCEL: AutoTLS._cancel,
}


def _late(failure: Failure) -> Failure:
    """
    Put another error in the place of that of a deadline.
    """
    if failure.check(TimeoutError):
        return Failure(NoCertificate(f"none within {TRY_TIME:g} s"))
    return failure


def _check(url: str) -> None:
    """
    Check the URL of a server.

    @raise ConfigurationError: it cannot be used.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and url.isascii()
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"{url!r} is not a URL such as {BROKER}: https alone is safe here"
        )
