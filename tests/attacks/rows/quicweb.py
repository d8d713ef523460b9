# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by WebTransport.
"""

from __future__ import annotations

import time

from pylsqpack import Encoder

from tests.attacks.arena import Arena, within
from tests.attacks.raw.certificates import shown
from tests.attacks.raw.quic import Dialer, Listener, hello
from tests.attacks.rows.quic import DEADLINE, ECHO, address, guest
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.quic.webtransport.addresses import withWeb
from twisted_libp2p.quic.webtransport.http3 import (
    CONTROL,
    NOT_FOUND,
    OK,
    PATH,
    Capsule,
    FrameType,
    encode,
)
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey

__all__ = ["floods", "listeners", "proofs", "requests"]

#: The head of a stream of the session on the first stream.
_HEAD = encode(FrameType.WEBTRANSPORT_STREAM) + encode(0)


def _frame(kind: int, body: bytes) -> bytes:
    return encode(kind) + encode(len(body)) + body


def _request(**changes: bytes) -> bytes:
    """
    Return the frame of a request.

    @param changes: other values of headers, by their names without colon.
    """
    fields = {
        "method": b"CONNECT",
        "protocol": b"webtransport",
        "scheme": b"https",
        "authority": b"node",
        "path": PATH,
        **changes,
    }
    head = [(f":{key}".encode(), value) for key, value in fields.items()]
    return _frame(FrameType.HEADERS, Encoder().encode(0, head)[1])


class Page(Dialer):
    """
    A browser, whose frames are made by hand.
    """

    def __init__(self, arena: Arena) -> None:
        quic = hello(None, ("h3",))
        quic._configuration.max_datagram_frame_size = 65536
        super().__init__(address(arena, "/webtransport"), quic)
        self.run(5, lambda: self.confirmed)
        arena.expect("a browser let in", self.confirmed, self.ended)
        self.say(2, CONTROL)

    def say(self, stream: int, data: bytes, end: bool = False) -> None:
        """
        Send bytes of a stream.
        """
        self.quic.send_stream_data(stream, data, end)

    def hears(self, stream: int, data: bytes, seconds: float = 5.0) -> bool:
        """
        Wait for bytes of a stream.

        @return: whether they have come.
        """
        self.run(seconds, lambda: self.received.get(stream, b"").startswith(data))
        return self.received.get(stream, b"").startswith(data)

    def noise(self) -> NoiseHandshake:
        """
        Ask for a session, and begin the handshake of Noise on stream 4.
        """
        self.say(0, _request())
        identity = Identity.generate()
        handshake = Handshake(identity, Role.CLIENT, None, (), lambda reason: None)
        noise = NoiseHandshake(handshake, StaticKey.sign(identity))
        self.say(4, _HEAD + noise.start())
        return noise

    def prove(self) -> None:
        """
        Go through the handshake.
        """
        noise = self.noise()
        self.run(5, lambda: len(self.received.get(4, b"")) > 2)
        self.say(4, noise.receive(self.received[4]), True)


def _guestPage(arena: Arena) -> None:
    """
    Expect that an honest page is served.
    """
    page = Page(arena)
    page.prove()
    page.say(8, _HEAD + ECHO + b"page")
    page.run(5, lambda: page.received.get(8, b"").endswith(b"page"))
    arena.expect("a page served", page.received.get(8, b"").endswith(b"page"))
    page.close()


def requests(arena: Arena) -> None:
    """
    Play C{quic.web_requests}.
    """
    page = Page(arena)
    wrong = (
        {"path": b"/"},
        {"path": PATH.replace(b"noise", b"tls")},
        {"protocol": b"websocket"},
        {"method": b"GET"},
        {"method": b"POST", "path": b"/" * 8000},
    )
    for number, changes in enumerate(wrong):
        page.say(4 * number, _request(**changes), True)
        arena.expect(f"{changes} answered by 404", page.hears(4 * number, NOT_FOUND))
    page.close()
    second = Page(arena)
    second.prove()
    second.say(8, _request())
    arena.expect("a second session answered by 404", second.hears(8, NOT_FOUND))
    second.close()
    many = Page(arena)
    for number in range(200):
        many.say(4 * number, b"\x01\x50")
    many.run(1)
    many.close()
    large = Page(arena)
    large.say(0, b"\x01\x80\xff\xff\xff" + bytes(100_000))
    large.run(5)
    arena.expect("a head of 16 MiB ended it", large.ended is not None)
    large.close()
    _guestPage(arena)
    count = len(wrong) + 1
    arena.saw(f"{count} of {count} answered by 404; a large one ended")


def floods(arena: Arena) -> None:
    """
    Play C{quic.web_floods}.
    """
    page = Page(arena)
    page.say(0, _request())
    arena.expect("a session", page.hears(0, OK))
    # Capsules that nobody knows, and one of 4 GiB.
    page.say(0, _frame(FrameType.DATA, _frame(0x1234, bytes(50))) * 20_000)
    page.say(0, _frame(FrameType.DATA, encode(0x99) + encode(1 << 32) + bytes(99)))
    page.run(3)
    arena.expect("unknown capsules skipped", page.ended is None, page.ended)
    # Streams of one direction that mean nothing, and datagrams.
    for number in range(8):
        page.say(4 * number + 6, encode(0x54) + encode(0) + bytes(1000))
    for _ in range(5000):
        page.quic.send_datagram_frame(bytes(1000))
    page.run(3)
    arena.expect("datagrams dropped", page.ended is None, page.ended)
    # Streams before any proof: the first one is for this, and does not go on.
    page.say(4, _HEAD + b"\0")
    for number in range(2, 200):
        page.say(4 * number, _HEAD + bytes(2000))
    page.run(2)
    arena.expect("streams before the proof bounded", page.ended is None, page.ended)
    page.close()
    close = Page(arena)
    close.say(0, _request())
    close.say(0, _frame(FrameType.DATA, _frame(Capsule.CLOSE_SESSION, bytes(2000))))
    close.run(5)
    arena.expect("a large capsule ended it", close.ended is not None)
    close.close()
    _guestPage(arena)
    arena.saw("capsules and datagrams dropped; streams before the proof reset")


def proofs(arena: Arena) -> None:
    """
    Play C{quic.web_proofs}.
    """
    before = arena.target.opened
    plain = Page(arena)
    plain.say(0, ECHO + b"plain")
    plain.run(2)
    arena.expect(
        "no stream of libp2p on HTTP/3",
        b"plain" not in plain.received.get(0, b""),
    )
    silent = Page(arena)
    silent.noise()
    garbage = Page(arena)
    garbage.say(0, _request())
    garbage.say(4, _HEAD + b"\x00\x60" + bytes(96))
    ended = Page(arena)
    ended.noise()
    ended.say(4, b"", True)
    early = Page(arena)
    early.noise()
    early.say(8, _HEAD + ECHO + b"early")
    for name, page in (("garbage", garbage), ("an end", ended)):
        page.run(5)
        arena.expect(f"{name} in place of a proof refused", page.ended is not None)
        page.close()
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        for page in (plain, silent, early):
            page.run(0.1)
    for name, page in (("no request", plain), ("no proof", silent), ("both", early)):
        arena.expect(f"{name}: ended at the deadline", page.ended is not None)
        page.close()
    arena.expect("nothing served before a proof", 8 not in early.received)
    arena.expect("no connection", arena.target.opened == before)
    state = within(5, lambda: not arena.target.ask("state")["upgrading"])
    arena.expect("no upgrade left", state)
    _guestPage(arena)
    guest(arena).close()
    arena.saw("5 of 5 refused; who says nothing, at the deadline")


def listeners(arena: Arena) -> None:
    """
    Play C{quic.web_listeners}.
    """
    kinds = ("another hash", "no hash")
    for kind in kinds:
        identity = Identity.generate()
        listener = Listener(shown("good", identity), ("h3",))
        place = Multiaddr(f"/ip4/127.0.0.1/udp/{listener.port}/quic-v1")
        hashes = [b"\x12\x20" + bytes(32)] if kind == "another hash" else []
        arena.target.tell("dial", f"{withWeb(place, hashes)}/p2p/{identity.peerID}")
        listener.run(3)
        answer = arena.target.hear()
        arena.expect(f"a listener with {kind} refused", not answer["ok"])
        arena.expect(f"nothing sent to one with {kind}", not listener.received)
        listener.close()
    arena.saw(f"{len(kinds)} of {len(kinds)} refused, before a stream is opened")
