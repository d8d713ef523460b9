# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the protocol of Redis.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.unified.redis import MAX_ANSWER, Answers, Redis, RedisError, Reply


class AnswersTests(SynchronousTestCase):
    """
    What answers mean.
    """

    def test_kinds(self) -> None:
        """
        Each kind of answer is understood.
        """
        for content, reply in (
            (b"+OK\r\n", "OK"),
            (b"+\r\n", ""),
            (b":0\r\n", 0),
            (b":-12\r\n", -12),
            (b"$5\r\nhello\r\n", "hello"),
            (b"$2\r\n\r\n\r\n", "\r\n"),
            (b"$0\r\n\r\n", ""),
            (b"$-1\r\n", None),
            (b"*-1\r\n", None),
            (b"*0\r\n", []),
            (b"*2\r\n$1\r\na\r\n*1\r\n:3\r\n", ["a", [3]]),
        ):
            self.assertEqual(list(Answers().feed(content)), [reply])

    def test_error(self) -> None:
        """
        An error is one answer among others.
        """
        first, second = Answers().feed(b"-ERR no\r\n+OK\r\n")
        self.assertIsInstance(first, RedisError)
        self.assertEqual((str(first), second), ("ERR no", "OK"))

    @drawn(100, st.lists(st.integers(0, 60)))
    def test_pieces(self, cuts: list[int]) -> None:
        """
        In whatever pieces answers come, they are the same.
        """
        content = b"+OK\r\n*2\r\n$3\r\nkey\r\n$5\r\nv\r\nlu\r\n$-1\r\n:42\r\n"
        answers = Answers()
        ends = sorted(min(cut, len(content)) for cut in cuts)
        found: list[Reply] = []
        for begin, end in zip([0, *ends], [*ends, len(content)], strict=True):
            found += answers.feed(content[begin:end])
        self.assertEqual(found, ["OK", ["key", "v\r\nlu"], None, 42])

    def test_bad(self) -> None:
        """
        What is no answer, or could become too long a one, is refused before it
        is all there.
        """
        for content in (
            b"hello\r\n",
            b"\r\n",
            b":1.5\r\n",
            b":\r\n",
            b":" + b"1" * 20 + b"\r\n",
            b"$-2\r\n",
            b"$3\r\nhello\r\n",
            b"$1\r\n\xff\r\n",
            b"$%d\r\n" % (MAX_ANSWER + 1),
            b"*%d\r\n" % (MAX_ANSWER + 1),
            b"*1\r\n" * 6,
            b"+" + b"x" * MAX_ANSWER,
            b"*3\r\n" + b"$%d\r\n" % (MAX_ANSWER - 8) + b"x" * MAX_ANSWER,
        ):
            with self.assertRaises(RedisError):
                list(Answers().feed(content))


class RedisTests(SynchronousTestCase):
    """
    A connection.
    """

    def setUp(self) -> None:
        """
        Connect it to nobody.
        """
        self.transport = StringTransport()
        self.redis = Redis()
        self.redis.makeConnection(self.transport)

    def test_call(self) -> None:
        """
        Commands are lists of strings; each gets its own answer.
        """
        first, second = self.redis.call("GET", "käse"), self.redis.call("DEL", "")
        self.assertEqual(
            self.transport.value(),
            b"*2\r\n$3\r\nGET\r\n$5\r\nk\xc3\xa4se\r\n*2\r\n$3\r\nDEL\r\n$0\r\n\r\n",
        )
        self.redis.dataReceived(b"$-1\r\n")
        self.assertIsNone(self.successResultOf(first))
        self.assertNoResult(second)
        self.redis.dataReceived(b"-WRONGTYPE of it\r\n")
        error = self.failureResultOf(second, RedisError)
        self.assertIn("WRONGTYPE", error.getErrorMessage())

    def test_nonsense(self) -> None:
        """
        Who talks nonsense is left; all who wait are told.
        """
        waiting = [self.redis.call("GET", "a"), self.redis.call("GET", "b")]
        self.redis.dataReceived(b"HTTP/1.1 400 Bad Request\r\n")
        for each in waiting:
            error = self.failureResultOf(each, RedisError)
            self.assertIn("cannot begin with b'H'", error.getErrorMessage())
        self.assertTrue(self.transport.disconnected)
        self.failureResultOf(self.redis.call("GET", "c"), RedisError)

    def test_unasked(self) -> None:
        """
        So is who answers what was not asked.
        """
        self.redis.dataReceived(b"+OK\r\n")
        self.assertTrue(self.transport.disconnected)

    def test_lost(self) -> None:
        """
        The end of the connection is the answer to who waits, and will.
        """
        waiting = self.redis.call("GET", "a")
        self.redis.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(waiting, ConnectionDone)
        self.failureResultOf(self.redis.call("GET", "a"), ConnectionDone)
