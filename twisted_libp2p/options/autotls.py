# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The options of AutoTLS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.autotls.service import BROKER, DIRECTORY, DOMAIN
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.options.node import NodeOptions

__all__ = ["AutoTLSOptions"]

_SECURE: Final = "/tls/ws"

# Options that contradict, each with the reason.
_CONTRADICTIONS: Final = {
    "tls-certificate": "brings a certificate of its own",
    "psk": "is for the public network: its broker does not have the key",
    "processes": "needs a node in one process",
    "share-ports": "needs a node in one process",
    "dial-through": "would go around the proxy",
}


class AutoTLSOptions(NodeOptions):
    """
    A certificate that browsers trust, without a domain.
    """

    optParameters: ClassVar[list[Any]] = [
        ["autotls-directory", None, DIRECTORY, "directory of the authority, by ACME"],
        ["autotls-broker", None, BROKER, "URL of the broker"],
        ["autotls-domain", None, DOMAIN, "domain of the broker"],
    ]

    optFlags: ClassVar[list[Any]] = [
        [
            "autotls",
            None,
            "get a certificate for /tls/ws, and agree to the terms of Let's Encrypt",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self._autoTLS: AutoTLS | None = None

    def autoTLS(self) -> AutoTLS | None:
        """
        Return the service of AutoTLS; None if it is not wanted.

        @raise ConfigurationError: an option is missing, or contradicts.
        """
        if not self["autotls"]:
            return None
        if self._autoTLS is None:
            if self["data"] is None:
                raise ConfigurationError(
                    "--autotls needs --data FOLDER, for the certificate and its key"
                )
            for name, reason in _CONTRADICTIONS.items():
                if self[name]:
                    raise ConfigurationError(f"--autotls {reason}: leave out --{name}")
            self._autoTLS = AutoTLS(
                self["data"],
                directory=self["autotls-directory"],
                broker=self["autotls-broker"],
                domain=self["autotls-domain"],
                roots=self["tls-roots"],
            )
        return self._autoTLS

    def withSecure(self, addresses: Sequence[str]) -> list[str]:
        """
        Add a secure WebSocket to each TCP port to listen on, if AutoTLS is wanted and
        no address has one.
        """
        if not self["autotls"] or any(_isSecure(each) for each in addresses):
            return list(addresses)
        return [*addresses, *_secured(addresses)]


def _isSecure(address: str) -> bool:
    return f"{_SECURE}" in address or "/wss" in address


def _secured(addresses: Sequence[str]) -> Iterator[str]:
    """
    Return the addresses of the secure WebSockets on the ports of TCP.
    """
    for each in addresses:
        parts = each.rstrip("/").split("/")
        # As in /ip4/0.0.0.0/tcp/4001.
        if len(parts) == 5 and parts[1] in ("ip4", "ip6") and parts[3] == "tcp":
            yield f"{'/'.join(parts)}{_SECURE}"
