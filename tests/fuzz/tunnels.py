# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the requests whose peer is named to a server, tickets, and the lines of the
control socket.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator

from tests.fuzz.target import sameHoweverCut, target
from tests.vectors import vector
from twisted_libp2p.access.ticket import SECRET_SIZE, Ticket
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.control.messages import LineBuffer, parseMessage, writeMessage
from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.tunnel.prefaces import MAX_HEAD, HttpPreface

_PEER = vector("key.test_identity_01")["peer_id"]

# A small bound, so that inputs reach it.
_LONGEST_LINE = 200


@target
def httpRequests(data: bytes) -> None:
    """
    A request is passed on with one header that names its peer, and without an upgrade
    to anything but a WebSocket; or it is refused.
    """

    def run(pieces: Iterator[bytes]) -> object:
        preface = HttpPreface(PeerAddress(_PEER))
        for piece in pieces:
            try:
                passed = preface.receive(piece)
            except ProtocolViolation:
                return "refused"
            if preface.done:
                return passed + b"".join(pieces)
            assert not passed
            assert len(preface._head) <= MAX_HEAD + 4
        return "more"

    passed = sameHoweverCut(data, run)
    if isinstance(passed, bytes):
        head, _, _ = passed.partition(b"\r\n\r\n")
        request, *lines = re.split(rb"[\r\n]+", head)
        assert request.endswith((b" HTTP/1.0", b" HTTP/1.1"))
        fields = [line.lower().partition(b":") for line in lines]
        names = [re.sub(rb"\W", b"_", name) for name, _, _ in fields]
        assert names.count(b"x_libp2p_peer") == names.count(b"connection") == 1
        assert {
            value.strip() for name, _, value in fields if name.strip() == b"upgrade"
        } <= {b"websocket"}


@target
def tickets(data: bytes) -> None:
    """
    A text is a ticket, which is written and read again, or refused; so are bytes with
    a valid checksum.
    """
    check = binascii.crc32(data).to_bytes(4, "big")
    sealed = urlsafe_b64encode(check + data).decode()
    for text in (data.decode("latin-1"), f"libp2p1-{sealed.rstrip('=')}"):
        try:
            ticket = Ticket.parse(text)
        except InvalidInput:
            continue
        assert len(ticket.secret) == SECRET_SIZE
        assert Ticket.parse(ticket.toText()) == ticket


@target
def controlLines(data: bytes) -> None:
    """
    A line of the control socket is an object, which is written and read again, or
    refused; little of it is kept.
    """

    def run(pieces: Iterator[bytes]) -> object:
        buffer = LineBuffer(_LONGEST_LINE)
        for piece in pieces:
            try:
                message = buffer.feed(piece)
            except InvalidInput:
                return "refused"
            if message is not None:
                return repr(message)
            assert len(buffer._data) <= _LONGEST_LINE
        return "more"

    sameHoweverCut(data, run)
    try:
        message = parseMessage(data)
    except InvalidInput:
        return
    assert repr(parseMessage(writeMessage(message))) == repr(message)
