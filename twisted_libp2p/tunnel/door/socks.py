# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
SOCKS5 (RFC 1928), the side of the server: one request to connect with a named host.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.tunnel.door.request import Refusal, Refused, Wanted

__all__ = ["VERSION", "SocksRequest"]

#: The first byte of each message.
VERSION: Final = 5

_NO_AUTHENTICATION: Final = 0
_NO_METHOD: Final = 0xFF
_CONNECT: Final = 1
_IP4, _NAME, _IP6 = 1, 3, 4

# The reply has an address of the proxy, which no client of CONNECT uses.
_NOWHERE: Final = bytes((0, _IP4, 0, 0, 0, 0, 0, 0))


class SocksRequest:
    """
    Reads the methods of authentication, and the request.

    It keeps one message, of at most 262 bytes.
    """

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self.trailing = b""
        self._buffer = b""
        self._greeted = False
        # Answers that the program has not got yet.
        self._answer = b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the program.

        @return: the choice of a method, after the first message.
        @raise Refused: a message is malformed, or asks for something else.
        """
        self._buffer += data
        if not self._greeted:
            self._readMethods()
        if self._greeted:
            self._readRequest()
        answer, self._answer = self._answer, b""
        return answer

    def _readMethods(self) -> None:
        """
        Read the first message, if it is complete.
        """
        data = self._buffer
        _checkVersion(data)
        if len(data) < 2 or len(data) < 2 + data[1]:
            return
        methods, self._buffer = data[2 : 2 + data[1]], data[2 + data[1] :]
        if _NO_AUTHENTICATION not in methods:
            raise Refused(
                Refusal.FORBIDDEN, "the program insists on a user and a password"
            )
        self._greeted = True
        self._answer = bytes((VERSION, _NO_AUTHENTICATION))

    def _readRequest(self) -> None:
        """
        Read the request, if it is complete.
        """
        data = self._buffer
        _checkVersion(data)
        if len(data) < 4:
            return
        if data[1] != _CONNECT:
            raise Refused(Refusal.COMMAND, f"command {data[1]} of SOCKS5 is not served")
        if data[3] in (_IP4, _IP6):
            raise Refused(
                Refusal.ADDRESS,
                "the program has looked up the name itself: it has to send names, as"
                " curl does with --socks5-hostname",
            )
        if data[3] != _NAME:
            raise Refused(Refusal.ADDRESS, f"address type {data[3]} is unknown")
        end = 5 + data[4] if len(data) > 4 else 5
        if len(data) < end + 2:
            return
        # The name of a peer is ASCII.
        host = data[5:end].decode("ascii", "replace")
        self._buffer, self.trailing = b"", data[end + 2 :]
        self.wanted = Wanted(host, int.from_bytes(data[end : end + 2], "big"))

    def accept(self) -> bytes:
        """
        Return the reply of success.
        """
        return bytes((VERSION, 0)) + _NOWHERE

    def refuse(self, refused: Refused) -> bytes:
        """
        Return the reply that a refusal has.
        """
        if not self._greeted:
            return bytes((VERSION, _NO_METHOD))
        return self._answer + bytes((VERSION, refused.kind.reply)) + _NOWHERE


def _checkVersion(data: bytes) -> None:
    """
    Check the first byte of a message, if there is one.

    @raise Refused: it is not that of SOCKS5.
    """
    if data and data[0] != VERSION:
        raise Refused(Refusal.MALFORMED, "not a message of SOCKS5")
