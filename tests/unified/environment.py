# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the suite tells its programs: environment variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IMuxerProvider, ISecurityProvider
from twisted_libp2p.plugin import providers

__all__ = ["Environment", "whole"]

#: How the suite's transports listen, after the IP address.
TRANSPORTS = {
    "tcp": "/tcp/0",
    "ws": "/tcp/0/ws",
    "wss": "/tcp/0/wss",
    "quic-v1": "/udp/0/quic-v1",
}

#: Those that secure and multiplex by themselves: the suite names nothing else.
STANDALONE = ("quic-v1",)


def whole(variables: Mapping[str, str], name: str, default: int) -> int:
    """
    Read a number above 0.

    @raise ConfigurationError: there is something else.
    """
    text = variables.get(name) or str(default)
    if not text.isdecimal() or not int(text):
        raise ConfigurationError(f"{name}={text}: it has to be a number above 0")
    return int(text)


def _choice(variables: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> str:
    """
    Read one of several words.

    @raise ConfigurationError: there is none, or another one.
    """
    value = variables.get(name, "")
    if value not in choices:
        raise ConfigurationError(f"{name}={value}: choose from {', '.join(choices)}")
    return value


@dataclass(frozen=True, slots=True)
class Environment:
    """
    What all applications are told.

    @ivar dialer: whether to dial; else to listen.
    @ivar host: where Redis is.
    @ivar port: and at which port.
    @ivar key: under which key the listener's address is.
    @ivar transport: the one transport to use.
    @ivar security: the one security protocol; empty for a standalone transport.
    @ivar muxer: the one muxer; empty for a standalone transport.
    @ivar ip: where to listen.
    @ivar debug: whether to log all that there is.
    @ivar timeout: seconds after which the suite has lost its patience.
    """

    dialer: bool
    host: str
    port: int
    key: str
    transport: str
    security: str
    muxer: str
    ip: str
    debug: bool
    timeout: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """
        Understand the variables.

        @raise ConfigurationError: one is missing, or has a value that we
            cannot do.
        """
        role = _choice(variables, "IS_DIALER", {"true": True, "false": False})
        redis = variables.get("REDIS_ADDR", "")
        host, _, port = redis.partition(":")
        port = port or "6379"
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError(f"REDIS_ADDR={redis}: it has to be HOST:PORT")
        key = variables.get("TEST_KEY", "")
        if not key:
            raise ConfigurationError("TEST_KEY is missing")
        transport = _choice(variables, "TRANSPORT", TRANSPORTS)
        standalone = transport in STANDALONE
        return cls(
            dialer=role == "true",
            host=host,
            port=int(port),
            key=f"{key}_listener_multiaddr",
            transport=transport,
            security=""
            if standalone
            else _choice(variables, "SECURE_CHANNEL", providers(ISecurityProvider)),
            muxer=""
            if standalone
            else _choice(variables, "MUXER", providers(IMuxerProvider)),
            ip=variables.get("LISTENER_IP") or "0.0.0.0",
            debug=variables.get("DEBUG", "").lower() in ("true", "1", "yes", "debug"),
            timeout=whole(variables, "TEST_TIMEOUT_SECS", 180),
        )

    def listen(self) -> list[str]:
        """
        Give what a node listens on.
        """
        if self.dialer:
            return []
        version = "ip6" if ":" in self.ip else "ip4"
        return [f"/{version}/{self.ip}{TRANSPORTS[self.transport]}"]
