# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client of SOCKS5 (RFC 1928), with user and password (RFC 1929).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from twisted_libp2p.errors import ProxyFailed, ProxyRefused
from twisted_libp2p.transport.proxy.opening import Credentials

__all__ = ["REPLIES", "SocksOpening"]

_VERSION: Final = 5
_PASSWORD_VERSION: Final = 1
_NO_AUTHENTICATION, _PASSWORD, _NONE_ACCEPTED = 0, 2, 0xFF
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4

#: The maximum size of a name, a user and a password in bytes.
MAX_TEXT = 255

#: The replies of a proxy that does not connect us.  Those from 0xF0 on are Tor's, and
#: are about onion services (Tor's socks-extensions).
REPLIES: Final = {
    1: "general failure",
    2: "its rules do not allow the connection",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the time to live has expired",
    7: "it does not know the command",
    8: "it does not know this type of address",
    0xF0: "the descriptor of the onion service was not found",
    0xF1: "the descriptor of the onion service is invalid",
    0xF2: "no introduction to the onion service",
    0xF3: "no rendezvous with the onion service",
    0xF4: "the onion service needs the authorization of its clients",
    0xF5: "the onion service does not accept our authorization",
    0xF6: "the onion address is invalid",
    0xF7: "the introduction to the onion service took too long",
}

# The size of the address in a reply, without its port, by its type; that of a name
# begins with its length.
_SIZES: Final = {_IPV4: 4, _IPV6: 16}


class SocksOpening:
    """
    Asks a SOCKS5 proxy for a connection.  It keeps at most one message of the proxy,
    which has at most 262 bytes.

    @ivar opened: whether the proxy has connected us.
    @ivar trailing: the bytes of the peer that came with the proxy's last answer.
    """

    def __init__(
        self, host: str, port: int, credentials: Credentials | None = None
    ) -> None:
        """
        @param host: the host to connect with; a name is resolved by the proxy.
        @param credentials: ours, for a proxy that asks for them.
        @raise ProxyFailed: a text is too long for SOCKS5.
        """
        self.opened = False
        self.trailing = b""
        self._buffer = b""
        self._request = (
            bytes((_VERSION, _CONNECT, 0)) + _address(host) + port.to_bytes(2, "big")
        )
        self._login = b""
        if credentials is not None:
            self._login = bytes((_PASSWORD_VERSION,)) + b"".join(
                _sized(each, "user or password") for each in credentials
            )
        # Reads the next message if it is whole, and returns the answer.
        self._step: Callable[[], bytes | None] = self._method

    def start(self) -> bytes:
        """
        Return the greeting: our ways to authenticate.
        """
        ways = (_NO_AUTHENTICATION, _PASSWORD) if self._login else (_NO_AUTHENTICATION,)
        return bytes((_VERSION, len(ways), *ways))

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the proxy.

        @return: the bytes to send in answer.
        @raise ProxyRefused: the proxy does not connect us with the peer.
        @raise ProxyFailed: the proxy does not let us in, or speaks another protocol.
        """
        self._buffer += data
        sent = b""
        while not self.opened:
            answer = self._step()
            if answer is None:
                return sent
            sent += answer
        self.trailing, self._buffer = self.trailing + self._buffer, b""
        return sent

    def _take(self, size: int) -> bytes | None:
        """
        Cut off the first bytes; None if there are not enough.
        """
        if len(self._buffer) < size:
            return None
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _method(self) -> bytes | None:
        """
        Read which way to authenticate the proxy has chosen.
        """
        if self._buffer and self._buffer[0] != _VERSION:
            raise ProxyFailed("it does not speak SOCKS5")
        message = self._take(2)
        if message is None:
            return None
        method = message[1]
        if method == _NO_AUTHENTICATION:
            self._step = self._reply
            return self._request
        if method == _PASSWORD and self._login:
            self._step = self._verdict
            return self._login
        if method in (_NONE_ACCEPTED, _PASSWORD):
            raise ProxyFailed(
                "it accepts neither our user nor our lack of one"
                if self._login
                else "it needs a user and a password: socks5://USER:PASSWORD@HOST:PORT"
            )
        raise ProxyFailed(f"it has chosen way {method} to authenticate, without offer")

    def _verdict(self) -> bytes | None:
        """
        Read what the proxy thinks of our user and password.
        """
        message = self._take(2)
        if message is None:
            return None
        if message[0] != _PASSWORD_VERSION:
            raise ProxyFailed("it does not know users and passwords")
        if message[1]:
            raise ProxyFailed("it refuses our user or password")
        self._step = self._reply
        return self._request

    def _reply(self) -> bytes | None:
        """
        Read whether the proxy has connected us.
        """
        head = self._buffer[:5]
        if head[:1] not in (b"", bytes((_VERSION,))):
            raise ProxyFailed("its reply is not of SOCKS5")
        if len(head) < 2:
            return None
        code = head[1]
        if code:
            raise ProxyRefused(code, REPLIES.get(code, f"for reason {code:#x}"))
        if len(head) < 5:
            return None
        kind = head[3]
        size = 1 + head[4] if kind == _NAME else _SIZES.get(kind)
        if size is None:
            raise ProxyFailed(f"its reply has an address of unknown type {kind}")
        if self._take(4 + size + 2) is None:
            return None
        self.opened = True
        return b""


def _address(host: str) -> bytes:
    """
    Write a host as SOCKS5 does.
    """
    try:
        ip = ip_address(host)
    except ValueError:
        return bytes((_NAME,)) + _sized(host, "name of the host")
    return bytes((_IPV4 if ip.version == 4 else _IPV6,)) + ip.packed


def _sized(text: str, what: str) -> bytes:
    """
    Write a text after its length.
    """
    data = text.encode()
    if not 1 <= len(data) <= MAX_TEXT:
        raise ProxyFailed(f"a {what} of SOCKS5 has 1 to {MAX_TEXT} bytes")
    return bytes((len(data),)) + data
