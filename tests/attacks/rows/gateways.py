# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on a node that has its router forward ports: by the router, and by others on the
local network.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from tests.attacks.arena import Arena, within
from tests.attacks.rows.places import ATTACKER, HOST, NEWCOMER

__all__ = ["devices", "mappings"]

#: The router of the node, and another machine on its network.
GATEWAY, STRANGER = ATTACKER, NEWCOMER

#: The port of PCP and NAT-PMP, and the group of SSDP.
PORT = 5351
GROUP = "239.255.255.250", 1900

#: Another's public address.
VICTIM = "45.99.0.1"

#: The longest time for which a port may be mapped, in seconds.
HOUR = 3600

#: Seconds after which the node has given up a search, and each request.
GIVEN_UP = 12.0

Change = Callable[[bytearray], object]


class _Thread(Thread):
    """
    Serves sockets until it is closed.
    """

    def __init__(self, *sockets: socket.socket) -> None:
        super().__init__(daemon=True)
        self._sockets = sockets
        self._wake, self._woken = socket.socketpair()
        self.start()

    def run(self) -> None:
        """
        Take what comes.
        """
        while True:
            ready = select.select([*self._sockets, self._woken], [], [])[0]
            if self._woken in ready:
                return
            for each in ready:
                with suppress(OSError):
                    self.take(each)

    def take(self, ready: socket.socket) -> None:
        """
        Take what has come at a socket.
        """

    def close(self) -> None:
        """
        Serve no longer.
        """
        self._wake.send(b"x")
        self.join()
        for each in (*self._sockets, self._wake, self._woken):
            each.close()


def _udp(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, port))
    return opened


class _Mapper(_Thread):
    """
    A router that speaks PCP.

    @ivar lifetimes: those that it was asked for.
    """

    def __init__(self, change: Change, stranger: bool = False) -> None:
        """
        @param change: changes each answer.
        @param stranger: whether another machine answers in its place.
        """
        self.lifetimes: list[int] = []
        self._change = change
        self._answering = _udp(
            STRANGER if stranger else GATEWAY, 0 if stranger else PORT
        )
        self._asked = _udp(GATEWAY, PORT) if stranger else self._answering
        super().__init__(self._asked)

    def take(self, ready: socket.socket) -> None:
        """
        Answer a request.
        """
        data, asker = ready.recvfrom(2048)
        if data[0] != 2:
            return
        lifetime = int.from_bytes(data[4:8], "big")
        self.lifetimes.append(lifetime)
        head = struct.pack(">BBxBII12x", 2, 129, 0, lifetime, 1000)
        address = bytes(10) + b"\xff\xff" + socket.inet_aton(VICTIM)
        answer = bytearray(head + data[24:42] + data[42:44] + address)
        self._change(answer)
        self._answering.sendto(answer, asker)


def _set(place: slice, value: bytes) -> Change:
    return lambda answer: answer.__setitem__(place, value)


def _address(host: str) -> Change:
    return _set(slice(56, 60), socket.inet_aton(host))


@contextmanager
def _asking(arena: Arena) -> Iterator[None]:
    """
    Have the node ask its router for a while.
    """
    arena.target.ask("mapping", GATEWAY, HOST)
    try:
        yield
    finally:
        arena.target.ask("mapping", "off")


def _failed(arena: Arena) -> bool:
    return bool(arena.target.ask("mapped")["failures"])


def mappings(arena: Arena) -> None:
    """
    Play C{portmap.mappings}.
    """
    node = arena.target
    own = set(node.ask("addresses")["addresses"])
    lies: list[tuple[str, Change, bool]] = [
        ("another machine", lambda answer: None, True),
        ("another's nonce", _set(slice(24, 36), bytes(12)), False),
        ("a request", _set(slice(1, 2), b"\x01"), False),
        ("another port", _set(slice(40, 42), b"\0\x16"), False),
        ("port 0", _set(slice(42, 44), b"\0\0"), False),
        ("no lifetime", _set(slice(4, 8), bytes(4)), False),
        ("half an answer", lambda answer: answer.__delitem__(slice(30, None)), False),
        ("a private address", _address("10.1.2.3"), False),
        ("loopback", _address("127.0.0.1"), False),
        ("a group", _address("224.0.0.1"), False),
        ("no address", _address("0.0.0.0"), False),
    ]
    for name, change, stranger in lies:
        router = _Mapper(change, stranger)
        with _asking(arena):
            failed = within(GIVEN_UP, lambda: _failed(arena))
            arena.expect(f"given up after {name}", failed, node.ask("mapped"))
            found = set(node.ask("addresses")["addresses"]) - own
            arena.expect(f"no address by {name}", not found, found)
        router.close()
    # Nobody can disprove another's public address: it is not taken for reachable.
    router = _Mapper(_set(slice(4, 8), b"\xff\xff\xff\xff"))
    with _asking(arena):
        arena.expect(
            "a mapping", within(5.0, lambda: bool(node.ask("mapped")["addresses"]))
        )
        state = node.ask("mapped")["state"]
        arena.expect("no verdict by the word of the router", state != "public", state)
    asked, last = max(router.lifetimes), router.lifetimes[-1]
    arena.expect("an hour at most", asked <= HOUR, asked)
    arena.expect("a deletion in the end", last == 0, last)
    left = set(node.ask("addresses")["addresses"]) - own
    arena.expect("its addresses as before", not left, left)
    router.close()
    arena.newcomer(HOST)
    arena.saw(
        f"{len(lies)} wrong answers give no address; another's address is a claim;"
        f" mapped for {asked} s at most, and deleted in the end"
    )


class _Device(_Thread):
    """
    A device that answers searches.

    @ivar connected: the number of connections to its documents.
    @ivar elsewhere: the number of those to other places.
    """

    def __init__(self, body: bytes, location: str = "", answers: int = 1) -> None:
        """
        @param body: the document, with its head.
        @param location: the place that it names; its own document by default, with
            C{PORT} for the port of the trap.
        """
        self._body = body
        self._answers = answers
        self.connected = self.elsewhere = 0
        self._searched = _udp("", GROUP[1])
        group = socket.inet_aton(GROUP[0]) + socket.inet_aton(GATEWAY)
        self._searched.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        self._answering = _udp(GATEWAY, 0)
        self._documents = socket.create_server((GATEWAY, 0), backlog=64)
        self._trap = socket.create_server(("0.0.0.0", 0))
        port = self._trap.getsockname()[1]
        own = f"http://{GATEWAY}:{self._documents.getsockname()[1]}/d.xml"
        self._location = location.replace("PORT", str(port)) or own
        self._body = body.replace(b"PORT", str(port).encode())
        super().__init__(self._searched, self._documents, self._trap)

    def take(self, ready: socket.socket) -> None:
        """
        Answer.
        """
        if ready is self._searched:
            asker = ready.recvfrom(2048)[1]
            answer = f"HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: {self._location}\r\n\r\n"
            for _ in range(self._answers):
                self._answering.sendto(answer.encode(), asker)
            return
        pipe = ready.accept()[0]
        if ready is self._trap:
            self.elsewhere += 1
            pipe.close()
            return
        self.connected += 1
        pipe.settimeout(GIVEN_UP)
        with suppress(OSError):
            pipe.recv(4096)
            pipe.sendall(self._body)
            # A chunk that never ends, a byte at a time.
            while self._body.endswith(b"\r\n\r\n"):
                pipe.sendall(b"1\r\na\r\n")
                time.sleep(0.05)
        pipe.close()


def _document(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _description(control: str) -> bytes:
    """
    Describe a router whose service is elsewhere.
    """
    kind = "urn:schemas-upnp-org:service:WANIPConnection:1"
    return _document(
        (
            '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">'
            "<device><serviceList><service>"
            f"<serviceType>{kind}</serviceType><controlURL>{control}</controlURL>"
            "</service></serviceList></device></root>"
        ).encode()
    )


_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(
        b'<!ENTITY %c "%s">' % (98 + each, b"&%c;" % (97 + each) * 10)
        for each in range(9)
    )
    + b"]><root>&j;</root>"
)


def devices(arena: Arena) -> None:
    """
    Play C{portmap.devices}.
    """
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:PORT/\r\n\r\n "
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    lies: list[tuple[str, bytes, str, int]] = [
        ("loopback", b"", "http://127.0.0.1:PORT/", 1),
        ("another machine", b"", f"http://{STRANGER}:PORT/", 1),
        ("a user's name", b"", f"http://{GATEWAY}@127.0.0.1:PORT/", 1),
        ("a name", b"", "http://localhost:PORT/", 1),
        ("a file", b"", "file:///etc/passwd", 1),
        ("1000 answers", _document(b"<a/>"), "", 1000),
        ("10 MB", _document(b"<a>" + bytes(10_000_000)), "", 1),
        ("entities", _document(_BOMB), "", 1),
        ("a redirect", redirect, "", 1),
        ("chunks for ever", endless, "", 1),
        ("a service elsewhere", _description("http://127.0.0.1:PORT/c"), "", 1),
        ("no XML", _document(b"\xff" * 5000), "", 1),
    ]
    for name, body, location, answers in lies:
        device = _Device(body, location, answers)
        with _asking(arena):
            failed = within(GIVEN_UP, lambda: _failed(arena))
            arena.expect(f"given up after {name}", failed, arena.target.ask("mapped"))
        device.close()
        arena.expect(f"no request elsewhere: {name}", not device.elsewhere)
        arena.expect(
            f"2 requests at most: {name}", device.connected <= 2, device.connected
        )
        if not location:
            arena.expect(f"the document of {name} read", device.connected > 0)
    arena.newcomer(HOST)
    arena.saw(f"{len(lies)} lies; no request to any other machine")
