# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.opening}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis.strategies import integers, lists
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.transport.websocket.frames import ACCEPT, REQUEST, answerTo, client
from twisted_libp2p.transport.websocket.opening import (
    MAX_HEAD,
    ClientOpening,
    Opening,
    ServerOpening,
)

REST = b"\x82\x03abc"


def feed(opening: Opening, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """
    Feed an opening with pieces until it is done or has failed.

    @return: all answers, and what came after the handshake.
    """
    answer = b""
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(places)]
    while pieces and not opening.done and opening.failure is None:
        answer += opening.receive(pieces.pop(0))
    return answer, opening.trailing + b"".join(pieces)


class ServerTests(SynchronousTestCase):
    """
    The side that answers.
    """

    def refused(self, request: bytes, status: bytes, why: str) -> bytes:
        """
        Check that a request is refused, however it is cut.

        @return: the answer.
        """
        answers = []
        for cuts in ([], list(range(len(request)))):
            opening = ServerOpening("/here", ["https://example.com"])
            answer, _ = feed(opening, request, cuts)
            self.assertFalse(opening.done)
            self.assertIn(why, str(opening.failure))
            if status:
                self.assertEqual(answer.partition(b"\r\n")[0], b"HTTP/1.1 " + status)
            else:
                self.assertEqual(answer, b"")
            answers.append(answer.partition(b"\r\nDate: ")[0])
        self.assertEqual(*answers)
        return answer

    def test_accepted(self) -> None:
        """
        A browser's request is accepted, without the extension that it offers.
        """
        opening = ServerOpening()
        answer = opening.receive(REQUEST)
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "))
        self.assertIn(b"Sec-WebSocket-Accept: " + ACCEPT, answer)
        self.assertNotIn(b"xtension", answer)
        self.assertTrue(opening.done)
        self.assertEqual(opening.trailing, b"")

    @drawn(50, lists(integers(0, len(REQUEST + REST)), max_size=8))
    def test_cut(self, cuts: list[int]) -> None:
        """
        It is accepted however it is cut, and what follows it is kept for the frames.
        """
        opening = ServerOpening()
        answer, rest = feed(opening, REQUEST + REST, cuts)
        self.assertTrue(opening.done)
        self.assertIn(ACCEPT, answer)
        self.assertEqual(rest, REST)

    def test_everyByte(self) -> None:
        """
        Cut after each of its bytes, a request is neither accepted nor refused before
        its end.
        """
        for place in range(len(REQUEST)):
            opening = ServerOpening()
            self.assertEqual(opening.receive(REQUEST[:place]), b"", place)
            self.assertIsNone(opening.failure)
            self.assertFalse(opening.done)
            self.assertIn(ACCEPT, opening.receive(REQUEST[place:]), place)

    def test_noUpgrade(self) -> None:
        """
        A browser or a health check gets a short answer that says what would be right.
        """
        answer = self.refused(
            b"GET /here HTTP/1.1\r\nHost: a\r\nUser-Agent: check\r\n\r\n",
            b"426 Upgrade Required",
            "no upgrade",
        )
        self.assertIn(b"\r\nUpgrade: websocket\r\n", answer)
        self.assertIn(b"dial it with a libp2p peer", answer)

    def test_anyMethod(self) -> None:
        """
        Whatever is asked for, a request that is no upgrade gets 426; the answer to HEAD
        has no body.
        """
        head = b" / HTTP/1.0\r\n\r\n"
        for method in (b"GET", b"POST", b"OPTIONS"):
            answer = self.refused(method + head, b"426 Upgrade Required", "no upgrade")
            self.assertFalse(answer.endswith(b"\r\n\r\n"))
        answer = self.refused(b"HEAD" + head, b"426 Upgrade Required", "no upgrade")
        self.assertTrue(answer.endswith(b"\r\n\r\n"))

    def test_body(self) -> None:
        """
        A request with a body gets 426 if it is no upgrade, and is refused if it is one:
        the body could be taken for frames.
        """
        self.refused(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            b"426 Upgrade Required",
            "no upgrade",
        )
        for field in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            self.refused(
                self.altered(b"Version: 13", b"Version: 13\r\n" + field),
                b"400 Bad Request",
                "the request is wrong",
            )

    def altered(self, old: bytes, new: bytes) -> bytes:
        """
        Return the right request with something wrong.
        """
        request = REQUEST.replace(b"GET / ", b"GET /here ")
        self.assertIn(old, request)
        return request.replace(old, new)

    def test_wrong(self) -> None:
        """
        What RFC 6455 demands of a request is demanded.
        """
        for old, new, status in (
            (b"Host: 192.0.2.1:4001\r\n", b"", b"400 Bad Request"),
            (b"Host: a", b"Host: a", b"400 Bad Request"),
            (b"GET ", b"POST ", b"405 Method Not Allowed"),
            (b"HTTP/1.1", b"HTTP/1.0", b"505 HTTP Version Not Supported"),
            (b"Version: 13", b"Version: 8", b"400 Bad Request"),
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl", b"400 Bad Request"),
            (b"dGhlIHNhbXBsZSBub25jZQ==", b"*", b"400 Bad Request"),
            (b"keep-alive, Upgrade", b"keep-alive", b"426 Upgrade Required"),
            (b"/here", b"/there", b"404 Not Found"),
            (b"/here", b"/here?a", b"404 Not Found"),
        ):
            request = (
                self.altered(b"Host: ", b"Host: a\r\nHost: ")
                if old == new
                else self.altered(old, new)
            )
            self.refused(request, status, "websocket: ")

    def test_host(self) -> None:
        """
        The Host of a request is a name or an IP address, with or without a port;
        whether the name is ours cannot be known.
        """
        for host, right in (
            (b"192.0.2.1:4001", True),
            (b"[2001:db8::1]:4001", True),
            (b"node.example", True),
            (b"my_node.example:80", True),
            (b"", False),
            (b"a b", False),
            (b"a/b", False),
            (b"user@a", False),
            (b"a, b", False),
            (b"a:80:80", False),
            (b"[2001:db8::1", False),
            (b"a\tb", False),
        ):
            request = self.altered(b"192.0.2.1:4001", host)
            if right:
                opening = ServerOpening()
                opening.receive(request)
                self.assertTrue(opening.done, host)
            else:
                self.refused(request, b"400 Bad Request", "websocket: ")

    def test_origin(self) -> None:
        """
        Pages of other origins are refused, other peers are not.
        """
        for origin, right in ((b"https://example.com", True), (b"http://a", False)):
            request = self.altered(b"Host", b"Origin: " + origin + b"\r\nHost")
            if right:
                opening = ServerOpening("/here", ["https://example.com"])
                opening.receive(request)
                self.assertTrue(opening.done)
                self.assertEqual(opening.origin, origin.decode())
            else:
                self.refused(request, b"403 Forbidden", "Origin")
        opening = ServerOpening("/here", [])
        opening.receive(self.altered(b"a", b"a"))
        self.assertTrue(opening.done)
        self.assertIsNone(opening.origin)

    def test_notHTTP(self) -> None:
        """
        Other protocols are refused at their first bytes, and get no answer.
        """
        for data, why in (
            (b"\x13/multistream/1.0.0\n", "does not speak HTTP"),
            (b"\x16\x03\x01\x02\x00\x01\x00", "speaks TLS"),
            (b"get / HTTP/1.1\r\n", "does not speak HTTP"),
            (b"A" * 17, "does not speak HTTP"),
        ):
            opening = ServerOpening()
            self.assertEqual(opening.receive(data), b"")
            self.assertIn(why, str(opening.failure))
        self.refused(b"GET nonsense\r\n\r\n", b"400 Bad Request", "not HTTP/1.1")

    def test_tooLong(self) -> None:
        """
        A head of more than 8 KiB is refused, and not even 8 KiB and one byte of it are
        kept; one of just 8 KiB is accepted.
        """
        begin = b"GET /here HTTP/1.1\r\nHost: a\r\n"
        self.refused(
            begin + b"A: b\r\n" * 2000,
            b"431 Request Header Fields Too Large",
            "8192 bytes",
        )
        opening = ServerOpening()
        opening.receive(begin + b"A: " + b"b" * (1 << 20))
        self.assertLessEqual(len(opening._head), MAX_HEAD)
        room = MAX_HEAD - len(REQUEST) - len(b"A: \r\n")
        for extra in (0, 1):
            field = b"Upgrade: websocket\r\nA: " + b"b" * (room + extra) + b"\r\n"
            opening = ServerOpening()
            opening.receive(REQUEST.replace(b"Upgrade: websocket\r\n", field))
            self.assertEqual(opening.done, not extra)

    def test_pieces(self) -> None:
        """
        A head in single bytes costs what its bytes cost.
        """
        opening = ServerOpening()
        opening.receive(b"GET / HTTP/1.1\r\nA: ")
        for _ in range(10_000):
            opening.receive(b"b")
        self.assertIn("8192", str(opening.failure))


class ClientTests(SynchronousTestCase):
    """
    The side that asks.
    """

    def test_request(self) -> None:
        """
        The request has a Host with the port, unless that is the usual one.
        """
        for host, port, secure, wanted in (
            ("192.0.2.1", 4001, False, "192.0.2.1:4001"),
            ("2001:db8::1", 4001, True, "[2001:db8::1]:4001"),
            ("example.com", 443, True, "example.com"),
            ("example.com", 80, False, "example.com"),
            ("example.com", 80, True, "example.com:80"),
        ):
            request = ClientOpening(host, port, secure, "/a%20b?c").start().decode()
            lines = request.split("\r\n")
            self.assertEqual(lines[0], "GET /a%20b?c HTTP/1.1")
            self.assertIn(f"Host: {wanted}", lines)
            self.assertNotIn("xtension", request)
            self.assertNotIn("Origin", request)
            self.assertTrue(request.endswith("\r\n\r\n"))

    def test_keys(self) -> None:
        """
        Each request has a key of its own.
        """
        self.assertNotEqual(client().start(), client().start())

    @drawn(50, lists(integers(0, 130), max_size=8))
    def test_cut(self, cuts: list[int]) -> None:
        """
        The answer is accepted however it is cut, and what follows it is kept: go-libp2p
        speaks first.
        """
        opening = client()
        data = answerTo(opening.start()) + REST
        answer, rest = feed(opening, data, cuts)
        self.assertIsNone(opening.failure)
        self.assertTrue(opening.done)
        self.assertEqual((answer, rest), (b"", REST))

    def refused(self, answer: bytes, why: str) -> None:
        """
        Check that an answer is refused, however it is cut.
        """
        for cuts in ([], list(range(len(answer)))):
            opening = client()
            opening.start()
            self.assertEqual(feed(opening, answer, cuts)[0], b"")
            self.assertFalse(opening.done)
            self.assertIn(why, str(opening.failure))

    def test_status(self) -> None:
        """
        Any other status is named, and its body is not waited for.
        """
        for status in ("404 Not Found", "200 OK", "302 Found", "426 Upgrade Required"):
            self.refused(
                f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode(), status
            )

    def test_notHTTP(self) -> None:
        """
        A server of another protocol is named.
        """
        for data in (b"SSH-2.0-OpenSSH", b"HTTP/1.0 101 a\r\n\r\n", b"\x13/multi"):
            self.refused(data, "does not speak HTTP/1.1")

    def test_wrong(self) -> None:
        """
        What RFC 6455 demands of an answer is demanded; extensions and subprotocols that
        were not offered are refused.
        """
        for fields in (
            {"Upgrade": "other"},
            {"Connection": "close"},
            {"Sec_WebSocket_Accept": "dGhl"},
            {"Sec_WebSocket_Extensions": "permessage-deflate"},
            {"Sec_WebSocket_Protocol": "binary"},
        ):
            opening = client()
            opening.receive(answerTo(opening.start(), **fields))
            self.assertIn("the server's answer is wrong", str(opening.failure))
            self.assertFalse(opening.done)
        self.refused(b"HTTP/1.1 101 a\r\nno field\r\n\r\n", "answer is wrong")

    def test_tooLong(self) -> None:
        """
        A head of more than 8 KiB is refused.
        """
        self.refused(b"HTTP/1.1 101 a\r\n" + b"A: b\r\n" * 2000, "8192 bytes")
