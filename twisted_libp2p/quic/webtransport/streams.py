# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of a connection of HTTP/3: which are requests, which serve HTTP/3 itself,
and which belong to a session of WebTransport.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.interfaces import IQuicConnections, LossCause
from twisted_libp2p.quic.webtransport.codes import NO_ERROR
from twisted_libp2p.quic.webtransport.http3 import (
    MAX_HEAD,
    NOT_FOUND,
    OK,
    Capsule,
    FrameType,
    StreamType,
    TypedParts,
    acceptable,
    decode,
    readHead,
    readSettings,
    sizeOf,
)
from twisted_libp2p.quic.webtransport.passing import Passing

__all__ = [
    "CREATION_ERROR",
    "MAX_REQUESTS",
    "PROTOCOL_ERROR",
    "READ_SIZE",
    "REJECTED",
    "REQUEST_FRAMES",
    "Event",
    "HttpStreams",
    "Request",
]

Event = tuple[object, ...]

#: The most requests that a peer may have under way at once.
MAX_REQUESTS = 8

#: The most bytes that are read at once of streams that are not the session's.
READ_SIZE = 4096

# Codes of HTTP/3 (RFC 9114, 8.1).
#: The peer breaks a rule.
PROTOCOL_ERROR = 0x101
#: A stream that nobody has asked for, or that cannot be opened.
CREATION_ERROR = 0x103
#: A request that is not answered.
REJECTED = 0x10B

#: The bytes of the code in a capsule that closes a session, and the most of its text.
_CODE_SIZE = 4
_MAX_CLOSE = _CODE_SIZE + 1024

#: The types of frames on the stream of a request, and the most bytes of each.
REQUEST_FRAMES: dict[int, int] = {FrameType.HEADERS: MAX_HEAD, FrameType.DATA: MAX_HEAD}
_CAPSULES: dict[int, int] = {Capsule.CLOSE_SESSION: _MAX_CLOSE}
_CONTROLS: dict[int, int] = {FrameType.SETTINGS: 1024}


class _Sorting:
    """
    A stream of the peer whose first bytes have not all come.
    """

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = bytearray()


class Request:
    """
    A stream with a request, or the control stream.
    """

    __slots__ = ("frames",)

    def __init__(self, wanted: dict[int, int]) -> None:
        self.frames = TypedParts(wanted)


class HttpStreams(Passing, ABC):
    """
    The streams that are not those of the session.
    """

    def __init__(self, below: IQuicConnections, handle: int) -> None:
        super().__init__(below)
        self._handle = handle
        self._streams: dict[int, _Sorting | Request] = {}
        self._capsules = TypedParts(_CAPSULES)
        # The stream of the request of the session.
        self._request = -1

    @abstractmethod
    def _asked(self, found: list[Event]) -> None:
        """
        Go on: there is a session.
        """

    @abstractmethod
    def _sorted(self, number: int, session: int, found: list[Event]) -> None:
        """
        Act on a stream of a session.
        """

    @abstractmethod
    def _end(self, found: list[Event], cause: LossCause, code: int, text: str) -> None:
        """
        Report the end, once.
        """

    def _settled(self, settings: frozenset[int], found: list[Event]) -> None:
        """
        Act on the settings of the peer.

        @param settings: the numbers of the settings with another value than 0.
        """

    def _fail(self, found: list[Event], text: str) -> None:
        """
        End the connection: the peer breaks a rule.
        """
        self._end(found, LossCause.TRANSPORT, PROTOCOL_ERROR, text)

    def _arrived(self, number: int) -> None:
        """
        Note a stream of the peer.
        """
        self._streams[number] = _Sorting()

    def _read(self, number: int, found: list[Event]) -> None:
        """
        Read a stream that is not, or not yet, one of the session.
        """
        stream = self._streams[number]
        while self._streams.get(number) is stream:
            if isinstance(stream, _Sorting):
                wanted = self._missing(number, stream.begun)
                if not wanted:
                    self._sort(number, stream.begun, found)
                    return
            else:
                wanted = READ_SIZE
            got = self._below.read(self._handle, number, wanted)
            if got is None:
                return
            data, end = got
            if isinstance(stream, _Sorting):
                stream.begun += data
                if end is None:
                    continue
            elif data:
                self._requested(number, stream, data, found)
            if end is not None:
                # A request may have been answered, and forgotten, meanwhile.
                if number in self._streams:
                    self._gone(number, found)
                return

    @staticmethod
    def _missing(number: int, begun: bytearray) -> int:
        """
        Return how many bytes are missing of the type of a stream, and of the number of
        its session: no byte after these is read here.
        """
        kind = decode(begun)
        if kind is None:
            return sizeOf(begun[0]) - len(begun) if begun else 1
        if kind[0] != FrameType.WEBTRANSPORT_STREAM or number & 2:
            return 0
        session = decode(begun, kind[1])
        if session is not None:
            return 0
        rest = begun[kind[1] :]
        return sizeOf(rest[0]) - len(rest) if rest else 1

    def _sort(self, number: int, begun: bytearray, found: list[Event]) -> None:
        """
        Find out what a stream of the peer is.
        """
        del self._streams[number]
        kind, after = decode(begun) or (0, 0)
        if number & 2:
            if kind == StreamType.CONTROL:
                self._streams[number] = Request(_CONTROLS)
            elif kind in (StreamType.QPACK_ENCODER, StreamType.QPACK_DECODER):
                # Without a dynamic table, nothing is said there.
                self._streams[number] = Request({})
            else:
                self._below.stop(self._handle, number, CREATION_ERROR)
                return
            self._read(number, found)
        elif kind == FrameType.WEBTRANSPORT_STREAM:
            session, _ = decode(begun, after) or (-1, 0)
            self._sorted(number, session, found)
        elif self._requests >= MAX_REQUESTS:
            self._refuse(number, REJECTED)
        else:
            request = self._streams[number] = Request(REQUEST_FRAMES)
            self._requested(number, request, bytes(begun), found)
            if number in self._streams:
                self._read(number, found)

    @property
    def _requests(self) -> int:
        """
        The number of requests that are under way.
        """
        return sum(
            isinstance(each, Request) and not number & 2
            for number, each in self._streams.items()
        )

    def _requested(
        self, number: int, stream: Request, data: bytes, found: list[Event]
    ) -> None:
        """
        Act on the frames of a request.
        """
        try:
            for kind, body in stream.frames.split(data):
                if kind == FrameType.HEADERS:
                    self._answer(number, readHead(body), found)
                elif kind == FrameType.DATA and number == self._request:
                    self._capsule(body, found)
                elif kind == FrameType.SETTINGS:
                    self._settled(readSettings(body), found)
                if number not in self._streams:
                    # A refused request; frames after it mean nothing.
                    return
        except InvalidInput as error:
            self._fail(found, str(error))

    def _answer(
        self, number: int, head: dict[bytes, bytes], found: list[Event]
    ) -> None:
        """
        Open the session, once, or refuse a request.
        """
        below, handle = self._below, self._handle
        if number == self._request:
            return
        if self._request < 0 and acceptable(head):
            self._request = number
            below.write(handle, number, [OK])
            self._asked(found)
        else:
            below.write(handle, number, [NOT_FOUND])
            below.finish(handle, number)
            below.stop(handle, number, NO_ERROR)
            del self._streams[number]

    def _capsule(self, data: bytes, found: list[Event]) -> None:
        for _, body in self._capsules.split(data):
            code = int.from_bytes(body[:_CODE_SIZE], "big")
            text = body[_CODE_SIZE:].decode("utf-8", "replace")
            self._end(found, LossCause.APPLICATION, code, text)

    def _gone(self, number: int, found: list[Event]) -> None:
        """
        Forget a stream that has ended, or was reset.
        """
        del self._streams[number]
        if number == self._request:
            self._end(found, LossCause.APPLICATION, 0, "the session was closed")
        else:
            self._refuse(number, NO_ERROR)

    def _refuse(self, number: int, code: int) -> None:
        """
        Reset a stream of the peer.
        """
        if not number & 2:
            self._below.reset(self._handle, number, code)
        self._below.stop(self._handle, number, code)
