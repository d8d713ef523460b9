# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The opening handshake of a WebSocket: one HTTP request and its answer, as machines
that are fed with bytes.

See RFC 6455, section 4, and libp2p/specs, websockets/README.md.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.typing import Origin
from websockets.uri import WebSocketURI

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.transport.websocket.frames import MAX_CONTROL

__all__ = ["MAX_HEAD", "NAME", "ClientOpening", "Opening", "ServerOpening"]

#: The name of this layer in errors.
NAME: Final = "websocket"

#: The maximum size of the head of a request, and of an answer, in bytes.
MAX_HEAD: Final = 8192

_END: Final = b"\r\n\r\n"

# The beginning of a request.  Other protocols are refused without waiting for more.
_REQUEST_START = re.compile(rb"[A-Z]{1,16} |[A-Z]{0,16}\Z")
_RESPONSE_START = b"HTTP/1.1 "

_REQUEST_LINE = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*[^\r\n]*\bwebsocket\b", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)

# A name, or an IP address, and a port (RFC 9110, section 7.2).
_HOST_VALUE = re.compile(rb"(?:[\w.~%-]+|\[[0-9a-fA-F:.]+\])(?::\d*)?")

_NO_UPGRADE: Final = (
    "This is the WebSocket address of a libp2p node: dial it with a libp2p peer.\n"
)

# The library logs each connection.  This package has its own events.
_SILENT = logging.Logger(NAME)
_SILENT.disabled = True


class Opening:
    """
    The opening handshake of one side.

    @ivar protocol: the machine that reads and writes frames after the handshake.
    @ivar trailing: the bytes that came after the handshake.
    @ivar failure: why the WebSocket is refused; None as long as it may open.
    """

    protocol: Protocol

    def __init__(self) -> None:
        self.trailing = b""
        self.failure: HandshakeFailed | None = None
        self._head = bytearray()

    @property
    def done(self) -> bool:
        """
        Whether frames follow.
        """
        return self.protocol.state is OPEN

    def start(self) -> bytes:
        """
        Return the bytes to send before anything is received.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Read bytes of the peer, until L{done} or L{failure} is set.

        @return: the bytes to send; they may be an answer that says why it failed.
        """
        head = self._head
        # The end of the head may come in pieces.
        begin = max(len(head) - len(_END) + 1, 0)
        taken = data[: MAX_HEAD - len(head)]
        head += taken
        end = head.find(_END, begin)
        if end < 0:
            return self._tooLong() if len(head) == MAX_HEAD else self._begun(head)
        end += len(_END)
        rest = bytes(head[end:]) + data[len(taken) :]
        answer = self._complete(bytes(head[:end]))
        head.clear()
        if self.done:
            self.trailing = rest
        return answer

    def _tooLong(self) -> bytes:
        """
        Refuse a head without an end.
        """
        return self._fail(f"the peer's HTTP head is longer than {MAX_HEAD} bytes")

    def _begun(self, head: bytearray) -> bytes:
        """
        Refuse bytes that cannot become a head.
        """
        raise NotImplementedError

    def _complete(self, head: bytes) -> bytes:
        """
        Judge a whole head.
        """
        raise NotImplementedError

    def _fail(self, message: str) -> bytes:
        """
        Record why the WebSocket is refused.

        @return: no bytes.
        """
        self.failure = HandshakeFailed(NAME, message)
        return b""


class ClientOpening(Opening):
    """
    The side that asks.
    """

    protocol: ClientProtocol

    def __init__(self, host: str, port: int, secure: bool, path: str) -> None:
        """
        @param host: the name or the IP address of the server.
        @param port: the TCP port of the server.
        @param secure: whether there is TLS below.
        @param path: the path of the request, with percent signs where they are needed.
        """
        super().__init__()
        uri = WebSocketURI(secure, host, port, path, "")
        self.protocol = ClientProtocol(uri, max_size=MAX_CONTROL, logger=_SILENT)

    def start(self) -> bytes:
        """
        Return the request.
        """
        self.protocol.send_request(self.protocol.connect())
        return b"".join(self.protocol.data_to_send())

    def _begun(self, head: bytearray) -> bytes:
        size = len(_RESPONSE_START)
        if not _RESPONSE_START.startswith(head[:size]):
            return self._fail("the server does not speak HTTP/1.1 at this address")
        return b""

    def _complete(self, head: bytes) -> bytes:
        self._begun(bytearray(head))
        status = head.partition(b"\r\n")[0].removeprefix(_RESPONSE_START)
        if self.failure is None and not status.startswith(b"101"):
            self._fail(
                f"the server answered {status.decode('latin-1')} instead of 101"
                " Switching Protocols: the address may need another name or path"
            )
        if self.failure is None:
            self.protocol.receive_data(head)
            self.protocol.events_received()
            if not self.done:
                self._fail(f"the server's answer is wrong: {_cause(self.protocol)}")
        return b""


class ServerOpening(Opening):
    """
    The side that answers.

    @ivar forwarded: the values of the headers C{X-Forwarded-For}, in order.
    """

    protocol: ServerProtocol

    def __init__(
        self,
        path: str | None = None,
        origins: Collection[str] | None = None,
    ) -> None:
        """
        @param path: the path that a request has to have; None accepts any.
        @param origins: the origins of the pages that may connect, such as
            C{https://example.com}; None accepts any.  A request without an origin comes
            from no page, and is accepted.
        """
        super().__init__()
        self.forwarded: list[str] = []
        self._path = path
        accepted = None if origins is None else [*map(Origin, origins), None]
        self.protocol = ServerProtocol(
            origins=accepted, max_size=MAX_CONTROL, logger=_SILENT
        )

    @property
    def origin(self) -> str | None:
        """
        The origin of the page that has connected; None for other peers.
        """
        return self.protocol.origin

    def _begun(self, head: bytearray) -> bytes:
        if head.startswith(b"\x16\x03"):
            return self._fail("the peer speaks TLS, for which /tls/ws is the address")
        if not _REQUEST_START.match(head):
            return self._fail("the peer does not speak HTTP")
        return b""

    def _tooLong(self) -> bytes:
        super()._tooLong()
        return self._refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _complete(self, head: bytes) -> bytes:
        if not _REQUEST_LINE.match(head):
            self._fail("the peer's request is not HTTP/1.1")
            return self._refusal(HTTPStatus.BAD_REQUEST)
        if not _UPGRADE.search(head):
            self._fail("the request is no upgrade to WebSocket")
            return self._refusal(
                HTTPStatus.UPGRADE_REQUIRED, _NO_UPGRADE, head.startswith(b"HEAD ")
            )
        hosts = _HOST.findall(head)
        if len(hosts) != 1 or not _HOST_VALUE.fullmatch(hosts[0]):
            self._fail("the request has no Host, a wrong one, or several")
            return self._refusal(HTTPStatus.BAD_REQUEST)
        protocol = self.protocol
        protocol.receive_data(head)
        requests = protocol.events_received()
        if not requests:
            self._fail(f"the request is wrong: {_cause(protocol)}")
            return self._refusal(HTTPStatus.BAD_REQUEST)
        request = cast(Request, requests[0])
        if self._path is not None and request.path != self._path:
            self._fail(f"the request has another path than {self._path}")
            return self._refusal(HTTPStatus.NOT_FOUND)
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._fail(f"the request is wrong: {_cause(protocol)}")
            return response.serialize()
        self.forwarded = request.headers.get_all("X-Forwarded-For")
        protocol.send_response(response)
        return b"".join(protocol.data_to_send())

    def _refusal(
        self, status: HTTPStatus, text: str | None = None, headOnly: bool = False
    ) -> bytes:
        """
        Return the answer to a request that is refused.

        @param text: the body; by default the status in words.
        @param headOnly: whether the answer must not have its body.
        """
        response: Response = self.protocol.reject(status, text or f"{status.phrase}\n")
        if status is HTTPStatus.UPGRADE_REQUIRED:
            response.headers["Upgrade"] = "websocket"
        if headOnly:
            response.body = b""
        return response.serialize()


def _cause(protocol: Any) -> str:
    """
    Return the reason for which the library has refused a head.
    """
    error = protocol.handshake_exc
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
