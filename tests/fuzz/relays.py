# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: the messages of relays and of hole punching, and vouchers.
"""

from __future__ import annotations

from tests.fuzz.target import target
from twisted_libp2p.address import Origin, Scope
from twisted_libp2p.errors import InvalidRecord, InvalidSignature, ProtocolViolation
from twisted_libp2p.holepunch import exchange
from twisted_libp2p.relay.messages import MAX_ADDRESSES, Hop, Stop
from twisted_libp2p.relay.voucher import Voucher

__all__ = ["hopMessages", "punchExchanges", "punchMessages", "stopMessages", "vouchers"]


@target
def hopMessages(data: bytes) -> None:
    """
    A message to or from a relay is a violation, or read again as it was written.
    """
    try:
        message = Hop.fromBytes(data)
    except ProtocolViolation:
        return
    assert Hop.fromBytes(message.toBytes()) == message
    if message.reservation is not None:
        assert len(message.reservation.addresses) <= MAX_ADDRESSES


@target
def punchMessages(data: bytes) -> None:
    """
    A message of hole punching is a violation, or read again as it was written; only
    few public addresses of it are dialed.
    """
    try:
        message = exchange.Message.fromBytes(data)
    except ProtocolViolation:
        return
    assert exchange.Message.fromBytes(message.toBytes()) == message
    dialed = exchange.punchable(message.addresses)
    assert len(dialed) <= exchange.MAX_ADDRESSES
    for each in dialed:
        assert Scope.of(each) is Scope.PUBLIC
        assert int(each.value(each.names[1]) or 0) >= exchange.MIN_PORT


@target
def punchExchanges(data: bytes) -> None:
    """
    Both sides of an exchange of hole punching take the messages that fit, and no other
    in any order; they dial few addresses, none of which the place of the relay forbids.

    The first byte is the place of the relay; then come messages, each after the tenths
    of a second before it and its length.
    """
    origin = Origin.NETWORK if data[:1] > b"\x7f" else Origin.PUBLIC
    asker, answerer = exchange.Asker((), origin), exchange.Answerer((), origin)
    asker.start(0.0)
    for side in (asker, answerer):
        now, rest = 0.0, data[1:]
        while len(rest) > 1:
            now += rest[0] / 10
            message, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
            try:
                side.receive(message, now)
            except ProtocolViolation:
                break
        assert 0.0 <= side.roundTrip <= exchange.MAX_ROUND_TRIP
        addresses = side.addresses or []
        assert len(addresses) <= exchange.MAX_ADDRESSES
        for each in addresses:
            assert origin.refusal(each) is None
            assert Scope.of(each) in (Scope.PUBLIC, Scope.PRIVATE)
            assert int(each.value(each.names[1]) or 0) >= exchange.MIN_PORT
    assert not answerer.synchronized or answerer.addresses is not None


@target
def stopMessages(data: bytes) -> None:
    """
    A message between a relay and the peer with the reservation is a violation, or read
    again as it was written.
    """
    try:
        message = Stop.fromBytes(data)
    except ProtocolViolation:
        return
    assert Stop.fromBytes(message.toBytes()) == message


@target
def vouchers(data: bytes) -> None:
    """
    A voucher is signed by its relay, or refused.
    """
    try:
        voucher = Voucher.open(data)
    except (InvalidRecord, InvalidSignature):
        return
    assert voucher.expiration >= 0
