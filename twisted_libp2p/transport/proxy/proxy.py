# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A proxy, as a user names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from twisted.internet.endpoints import clientFromString, quoteStringArgument
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IProxy
from twisted_libp2p.transport.proxy.connect import ConnectOpening
from twisted_libp2p.transport.proxy.opening import Credentials, Opening
from twisted_libp2p.transport.proxy.socks import SocksOpening
from twisted_libp2p.transport.proxy.tunnel import TunnelEndpoint

__all__ = ["Proxy"]

_EXAMPLE: Final = "socks5://127.0.0.1:9050 or http://USER:PASSWORD@proxy.example:3128"

_OPENINGS: Final[dict[str, Callable[..., Opening]]] = {
    "socks5": SocksOpening,
    # As curl calls it, for proxies that resolve names; ours do in any case.
    "socks5h": SocksOpening,
    "http": ConnectOpening,
    "https": ConnectOpening,
}

_PORTS: Final = {"socks5": 1080, "socks5h": 1080, "http": 80, "https": 443}


@implementer(IProxy)
@dataclass(frozen=True)
class Proxy:
    """
    A proxy: C{socks5://HOST:PORT}, C{http://HOST:PORT}, or C{https://HOST:PORT} for one
    behind TLS, with C{USER:PASSWORD@} before the host if it asks for them.  In place of
    C{//HOST:PORT} there may be the description of an endpoint, such as
    C{socks5:unix:/run/tor/socks}.

    @ivar kind: the part before the colon.
    @ivar description: the description of the endpoint that connects with the proxy.
    @ivar credentials: the user and the password; None without them.
    """

    kind: str
    description: str
    credentials: Credentials | None = field(default=None, repr=False)

    @classmethod
    def of(cls, proxy: Proxy | str, option: str) -> Proxy:
        """
        Return a proxy, which may be given in text.

        @param option: the name of the option, for the error.
        @raise ConfigurationError: it is not a proxy.
        """
        if isinstance(proxy, cls):
            return proxy
        if not isinstance(proxy, str):
            raise ConfigurationError(f"{option}: a proxy is text, such as {_EXAMPLE}")
        kind, colon, rest = proxy.partition(":")
        if not colon or not rest or kind not in _OPENINGS:
            # The text may have a password.
            raise ConfigurationError(
                f"{option}: a proxy is {', '.join(_OPENINGS)}, a colon and its place,"
                f" such as {_EXAMPLE}"
            )
        if not rest.startswith("//"):
            return cls(kind, rest)
        try:
            parts = urlsplit(proxy)
            return cls(kind, _describe(kind, parts), _credentials(parts))
        except ValueError:
            raise ConfigurationError(
                f"{option}: the place of a proxy is HOST:PORT, such as {_EXAMPLE}"
            ) from None

    def __str__(self) -> str:
        return f"{self.kind}:{self.description}"

    def check(self, reactor: Any, option: str) -> None:
        """
        Check that there is such an endpoint.

        @raise ConfigurationError: there is none.
        """
        try:
            self._endpoint(reactor)
        except Exception as error:
            # Parsers are plugins, and may raise any exception.
            raise ConfigurationError(
                f"{option} {self}: {self.description} is not a client endpoint"
                f" ({str(error) or type(error).__name__});"
                f" a proxy is such as {_EXAMPLE}"
            ) from None

    def clientEndpoint(
        self, reactor: Any, host: str, port: int
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects with a port of a host through the proxy.

        @param host: an IP address, or a name, which the proxy resolves.
        """
        endpoint: IStreamClientEndpoint = TunnelEndpoint(
            self._endpoint(reactor),
            lambda: _OPENINGS[self.kind](host, port, self.credentials),
            str(self),
            reactor,
        )
        return endpoint

    def _endpoint(self, reactor: Any) -> IStreamClientEndpoint:
        found: IStreamClientEndpoint = clientFromString(reactor, self.description)
        return found


def _describe(kind: str, parts: SplitResult) -> str:
    """
    Describe the endpoint of a proxy that is named by its host and port.

    @raise ValueError: something is missing, or too much.
    """
    host = parts.hostname
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a host and a port are needed")
    port = parts.port or _PORTS[kind]
    prefix = "tls" if kind == "https" else "tcp"
    return f"{prefix}:{quoteStringArgument(host)}:{port}"


def _credentials(parts: SplitResult) -> Credentials | None:
    """
    Read the user and the password of a proxy.
    """
    if parts.username is None:
        return None
    return Credentials(unquote(parts.username), unquote(parts.password or ""))
