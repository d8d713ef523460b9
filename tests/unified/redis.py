# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
As much of Redis' protocol (RESP2) as the public suite needs: a command is a list
of strings, and so is an answer, or one string, or a number, or nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

__all__ = ["MAX_ANSWER", "Answers", "Redis", "RedisError", "Reply", "connect"]

Reply: TypeAlias = "str | int | list[Reply] | RedisError | None"

#: The most bytes of one answer: those that are wanted hold one multiaddr.
MAX_ANSWER = 16 * 1024

#: How many lists may be inside of each other.
MAX_DEPTH = 4


class RedisError(Exception):
    """
    What Redis has refused, or an answer that is none.
    """


class Answers:
    """
    Takes answers out of the bytes that arrive.
    """

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Reply]:
        """
        Take in bytes, and give the answers that are whole.

        @raise RedisError: these are no answers, or one of them is too long.
        """
        self._buffer += data
        while self._buffer:
            parsed = self._parse(0, MAX_DEPTH)
            if parsed is None:
                if len(self._buffer) > MAX_ANSWER:
                    raise RedisError(f"an answer of more than {MAX_ANSWER} bytes")
                return
            reply, end = parsed
            self._buffer = self._buffer[end:]
            yield reply

    def _parse(self, begin: int, depth: int) -> tuple[Reply, int] | None:
        """
        Read what begins here.

        @return: that, and where it ends; None if it is not all there.
        """
        end = self._buffer.find(b"\r\n", begin)
        if end < 0:
            return None
        kind, text = self._buffer[begin : begin + 1], self._buffer[begin + 1 : end]
        end += 2
        if kind == b"+":
            return _text(text), end
        if kind == b"-":
            return RedisError(_text(text)), end
        if kind not in (b":", b"$", b"*"):
            raise RedisError(f"an answer cannot begin with {kind!r}")
        number = _number(text)
        if kind == b":":
            return number, end
        if number == -1:
            return None, end
        if not 0 <= number <= MAX_ANSWER:
            raise RedisError(f"an answer of {number}")
        if kind == b"$":
            after = end + number
            if len(self._buffer) < after + 2:
                return None
            if self._buffer[after : after + 2] != b"\r\n":
                raise RedisError("a string is longer than it says")
            return _text(self._buffer[end:after]), after + 2
        if not depth:
            raise RedisError("too many lists inside of each other")
        replies: list[Reply] = []
        for _ in range(number):
            parsed = self._parse(end, depth - 1)
            if parsed is None:
                return None
            reply, end = parsed
            replies.append(reply)
        return replies, end


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RedisError(f"{data!r} is no text") from None


def _number(data: bytes) -> int:
    digits = data.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 19:
        raise RedisError(f"{data!r} is no number")
    return int(data)


class Redis(Protocol):
    """
    A connection to a server.
    """

    def __init__(self) -> None:
        self._answers = Answers()
        self._waiting: deque[Deferred[Reply]] = deque()
        self._reason: Failure | None = None

    def call(self, *command: str) -> Deferred[Reply]:
        """
        Give a command; each is answered in its turn.

        @return: fires with the answer; fails with L{RedisError} if that is an
            error, or with what ended the connection.
        """
        if self._reason is not None:
            return fail(self._reason)
        assert self.transport is not None
        words = [word.encode() for word in command]
        pieces = [b"*%d\r\n" % len(words)]
        for word in words:
            pieces.append(b"$%d\r\n%b\r\n" % (len(word), word))
        self.transport.write(b"".join(pieces))
        # Who does not want the answer any more leaves its place.
        waiting: Deferred[Reply] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def dataReceived(self, data: bytes) -> None:
        """
        Give the answers to those who wait.
        """
        try:
            for reply in self._answers.feed(data):
                if not self._waiting:
                    raise RedisError("an answer that nobody has asked for")
                waiting = self._waiting.popleft()
                if isinstance(reply, RedisError):
                    waiting.errback(reply)
                else:
                    waiting.callback(reply)
        except RedisError:
            self._end(Failure())
            self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        No answer will come any more.
        """
        self._end(reason)

    def close(self) -> None:
        """
        End the connection.
        """
        if self.transport is not None:
            self.transport.loseConnection()

    def _end(self, reason: Failure) -> None:
        if self._reason is None:
            self._reason = reason
            waiting, self._waiting = self._waiting, deque()
            for each in waiting:
                each.errback(reason)


async def connect(reactor: object, host: str, port: int) -> Redis:
    """
    Connect to a server.
    """
    redis = Redis()
    await connectProtocol(HostnameEndpoint(reactor, host, port), redis)
    return redis
