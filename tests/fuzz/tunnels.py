# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the requests whose peer is named to a server, those of programs at the door,
tickets, the messages of files, and the lines of the control socket.
"""

from __future__ import annotations

import binascii
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.fuzz.target import sameHoweverCut, target
from tests.vectors import vector
from twisted_libp2p.access.ticket import SECRET_SIZE, Ticket
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.control.messages import LineBuffer, parseMessage, writeMessage
from twisted_libp2p.errors import InvalidInput, ProtocolViolation
from twisted_libp2p.transfer.messages import Offer
from twisted_libp2p.tunnel.door.http import HttpRequest
from twisted_libp2p.tunnel.door.places import Places
from twisted_libp2p.tunnel.door.request import DoorRequest, Refused
from twisted_libp2p.tunnel.door.socks import VERSION, SocksRequest
from twisted_libp2p.tunnel.head import MAX_HEAD
from twisted_libp2p.tunnel.prefaces import HttpPreface
from twisted_libp2p.wire.frames import FrameBuffer

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
            assert len(preface._reader._buffer) <= MAX_HEAD + 4
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
def doorRequests(data: bytes) -> None:
    """
    A program at the door is answered once however its bytes are cut; of a URL only the
    path is passed on, with one host and the order to close.
    """

    def run(pieces: Iterator[bytes]) -> object:
        request: DoorRequest | None = None
        answers = b""
        for piece in filter(None, pieces):
            if request is None:
                socks = piece[0] == VERSION
                request = SocksRequest() if socks else HttpRequest()
            try:
                answers += request.receive(piece)
            except Refused as refused:
                return "refused", answers + request.refuse(refused)
            if request.wanted is not None:
                rest = request.trailing + b"".join(pieces)
                return request.wanted, answers, request.accept(), rest
        return "more", answers

    result: Any = sameHoweverCut(data, run)
    if result[0] in ("refused", "more"):
        return
    wanted, _, accepted, trailing = result
    assert 0 <= wanted.port < 1 << 16
    if not accepted:
        head, _, _ = trailing.partition(b"\r\n\r\n")
        request, *lines = head.split(b"\r\n")
        assert request.split(b" ")[1].startswith(b"/")
        names = [line.lower().partition(b":")[0] for line in lines]
        assert names.count(b"host") == names.count(b"connection") == 1
    with suppress(Refused):
        Places(lambda name: None).find(wanted)


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
def fileOffers(data: bytes) -> None:
    """
    An offer, which is written and read again, names a file of one folder; any other
    message is refused.
    """
    try:
        offer = Offer.parse(data)
    except InvalidInput:
        return
    path = os.path.join("folder", offer.name)
    assert os.path.normpath(path) == path
    assert os.path.dirname(path) == "folder" and offer.name.isprintable()
    frames = FrameBuffer(1 << 20)
    frames.feed(offer.toBytes())
    assert Offer.parse(next(frames)) == offer


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
