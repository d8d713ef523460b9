# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on relays, and by relays.
"""

from __future__ import annotations

import os
import time

from tests.attacks.arena import Arena, within
from tests.attacks.raw import circuit, multistream
from tests.attacks.raw.circuit import HOP, STOP
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import Peer, Trap, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.serving import accept
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import Session, Stream
from tests.attacks.rows.places import ATTACKER, NEWCOMER

__all__ = [
    "accepted",
    "circuits",
    "halfOpen",
    "messages",
    "reservations",
    "slots",
    "stops",
]

#: How many circuits a relay of ours has of one peer, and to one.
PER_PEER = 16

# The answers of relays.
OK, REFUSED, LIMIT, DENIED, FAILED, NO_RESERVATION, MALFORMED, UNEXPECTED = (
    100,
    200,
    201,
    202,
    203,
    204,
    400,
    401,
)


def _relay(arena: Arena) -> tuple[int, int]:
    """
    Tell how many reservations and circuits the relay has.
    """
    state = arena.target.ask("state")
    return state["reservations"], state["circuits"]


def _given(arena: Arena) -> None:
    arena.expect(
        "without reservations and circuits in the end",
        within(15, lambda: _relay(arena) == (0, 0)),
        _relay(arena),
    )


def messages(arena: Arena) -> None:
    """
    Play C{relay.messages}.
    """
    own, other = Peer(), Identity()
    session = own.dial(arena.address)
    for name, message, right in (
        ("no message", os.urandom(64), MALFORMED),
        ("no type", b"", MALFORMED),
        ("an unknown type", field(1, 77), MALFORMED),
        ("a status", field(1, 2) + field(5, OK), UNEXPECTED),
        ("no peer", field(1, 1), MALFORMED),
        ("a peer that is none", circuit.connect(b"\xff" * 40), MALFORMED),
        ("ourselves", circuit.connect(own.identity.peerID), DENIED),
        ("a stranger", circuit.connect(other.peerID), NO_RESERVATION),
    ):
        try:
            _, status = circuit.ask(session, message)
        except Ended as end:
            arena.expect(f"answering {name}", False, end.how)
            continue
        arena.expect(f"{right} to {name}", status == right, status)
    # Too long, and said to be endless.
    for name, data in (
        ("5 KiB", delimited(bytes(5000))),
        ("2^60 bytes", b"\xff" * 8 + b"\x0f" + bytes(100)),
    ):
        stream = session.open(HOP)
        stream.send(data)
        try:
            stream.exactly(1)
            arena.expect(f"without an answer to {name}", False)
        except Ended as end:
            arena.expect(f"a reset for {name}", end.how == "reset", end.how)
    # Nothing at all, and half a message.
    silent = [session.open(HOP) for _ in range(60)]
    for each in silent[::2]:
        each.send(b"\x20\x08")
    session.synchronize()
    pingOn(session)
    arena.saw("each message has its answer; 60 silent streams harm nobody")
    session.close()
    _given(arena)


def slots(arena: Arena) -> None:
    """
    Play C{relay.slots}.
    """
    sessions: list[Session] = []
    got = refused = 0
    for _ in range(40):
        session = Peer(source=ATTACKER).connect(arena.address)
        session.close()
        try:
            sessions.append(Peer(source=ATTACKER).dial(arena.address))
            _, status = circuit.ask(sessions[-1], circuit.reserve())
        except Ended:
            continue
        got += status == OK
        refused += status != OK
    arena.expect("at most 8 places for one address", got <= 8, got)
    # Renewals, as fast as can be.
    answers = [
        circuit.ask(each, circuit.reserve())[1] for each in sessions for _ in range(70)
    ]
    limited = sum(each == LIMIT for each in answers)
    arena.expect("slowing down who asks too often", limited > 0)
    held, _ = _relay(arena)
    arena.expect("true to the places that are held", held == got, held)
    honest = Peer(source=NEWCOMER).dial(arena.address)
    _, status = circuit.ask(honest, circuit.reserve())
    arena.expect("a place for an honest peer", status == OK, status)
    arena.saw(
        f"of 40 ids at one address {got} got a place, of {len(answers)} renewals"
        f" {limited} were refused"
    )
    for each in (*sessions, honest):
        each.close()
    _given(arena)


def _pair(arena: Arena) -> tuple[Peer, Session, Session]:
    """
    Connect two peers, one with a reservation.

    @return: the peer with the reservation, its session, and that of the other.
    """
    holder = Peer()
    held, source = holder.dial(arena.address), Peer().dial(arena.address)
    _, status = circuit.ask(held, circuit.reserve())
    arena.expect("a reservation", status == OK, status)
    return holder, held, source


def _request(session: Session, peer: Peer) -> Stream:
    """
    Ask for a circuit, and do not wait.
    """
    stream = session.open(HOP)
    stream.send(delimited(circuit.connect(peer.identity.peerID)))
    return stream


def circuits(arena: Arena) -> None:
    """
    Play C{relay.circuits}.
    """
    holder, held, source = _pair(arena)
    open_: list[Stream] = []
    for _ in range(PER_PEER):
        stream = _request(source, holder)
        answer = accept(held, STOP)
        circuit.status(answer, 1)
        answer.send(delimited(field(1, 1) + field(4, OK)))
        status = circuit.status(stream)
        arena.expect("a circuit", status == OK, status)
        open_.append(stream)
    _, status = circuit.ask(source, circuit.connect(holder.identity.peerID))
    arena.expect("no circuit beyond 16", status == LIMIT, status)
    # Nobody reads what comes, and then there is more than is allowed.
    for stream in open_:
        stream.send(bytes(120 * 1024))
    source.synchronize()
    _, count = _relay(arena)
    arena.expect("16 circuits that are full", count == PER_PEER, count)
    source.idle(2.0)
    for stream in open_:
        stream.send(bytes(16 * 1024))
    ended = 0
    for stream in open_:
        try:
            stream.patience(10.0)
            while stream.id not in source.resets:
                source.read()
        except Ended:
            continue
        ended += 1
    arena.expect("all ended by a reset at the limit", ended == len(open_), ended)
    pingOn(source)
    arena.saw(f"16 circuits, 120 KiB unread in each; {ended} reset at 128 KiB")
    for each in (held, source):
        each.close()
    _given(arena)


def halfOpen(arena: Arena) -> None:
    """
    Play C{relay.half_open}.
    """
    holder, held, source = _pair(arena)
    began = time.monotonic()
    found = circuit.rush(source, circuit.connect(holder.identity.peerID), 50, 25.0)
    seconds = time.monotonic() - began
    waited = sum(each == FAILED for each in found.values())
    refused = sum(each == LIMIT for each in found.values())
    arena.expect("an answer to each", waited + refused == 50, found)
    arena.expect("16 that wait at most", waited <= PER_PEER, waited)
    arena.expect("an end within 18 s", seconds < 18, f"{seconds:.1f} s")
    arena.saw(
        f"of 50 requests {refused} refused at once, {waited} after {seconds:.0f} s"
    )
    for each in (held, source):
        each.close()
    _given(arena)


def accepted(arena: Arena, trap: Trap, answer: bytes) -> Session:
    """
    Let the node ask for a place, and answer.
    """
    arena.target.tell("reserve", trap.address())
    secure = trap.secure()
    if "/yamux/1.0.0" not in secure.muxers:
        multistream.answer(secure, "/yamux/1.0.0")
    session = Session(secure, initiator=False)
    stream = accept(session, HOP)
    stream.exactly(2)
    stream.send(delimited(answer))
    stream.finish()
    return session


def _now(seconds: float) -> int:
    return int(time.time() + seconds)


def reservations(arena: Arena) -> None:
    """
    Play C{relay.reservations}.
    """
    node = arena.target
    before = set(node.ask("addresses")["addresses"])
    right = multiaddr("10.77.0.2", 4001)
    foreign = Identity()
    private = [
        multiaddr(each, 4001)
        for each in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1")
    ]
    many = [multiaddr("10.77.0.2", 1 + each) for each in range(300)]
    circuits_ = right + b"\xa5\x03" + delimited(foreign.peerID)
    for name, answer, most in (
        ("addresses that it may not name", circuit.grant(_now(3600), private), 1),
        ("300 addresses", circuit.grant(_now(3600), many), 8),
        ("another's id", circuit.grant(_now(3600), [circuits_]), 1),
        ("no multiaddrs", circuit.grant(_now(3600), [os.urandom(30)] * 9), 1),
        ("an end in the year 5e11", circuit.grant((1 << 64) - 1, [right]), 2),
        ("an end in the past", circuit.grant(_now(-60), [right]), 0),
        ("an end at 0", circuit.grant(0, [right]), 0),
        ("an end in 10 s", circuit.grant(_now(10), [right]), 0),
        ("a broken voucher", circuit.grant(_now(3600), [right], os.urandom(99)), 0),
        (
            "another voucher",
            circuit.grant(_now(3600), [right], foreign.record(1, [right])),
            0,
        ),
        ("no reservation", field(1, 2) + field(5, OK), 0),
        ("an unknown status", field(1, 2) + field(5, 12345), 0),
        ("no message", os.urandom(50), 0),
    ):
        trap = Trap(host=ATTACKER)
        session = accepted(arena, trap, answer)
        node.hear()
        found = set(node.ask("addresses")["addresses"]) - before
        arena.expect(f"at most {most} addresses for {name}", len(found) <= most, found)
        theirs = f"/ip4/10.77.0.2/tcp/{trap.port}/p2p/{base58(trap.identity.peerID)}"
        strange = [
            each
            for each in found
            if not each.startswith("/ip4/10.77.0.2/")
            or base58(trap.identity.peerID) + "/p2p-circuit" not in each
        ]
        arena.expect(f"only its own addresses, {theirs}", not strange, strange)
        node.ask("release", trap.address())
        session.close()
        trap.close()
    arena.expect(
        "its addresses as before",
        set(node.ask("addresses")["addresses"]) == before,
    )
    arena.saw("of 13 lies no address of others, and never more than 8 of the relay")


def stops(arena: Arena) -> None:
    """
    Play C{relay.stops}.
    """
    node = arena.target
    trap = Trap(host=ATTACKER)
    own = [multiaddr("10.77.0.2", trap.port)]
    session = accepted(arena, trap, circuit.grant(_now(3600), own))
    node.hear()
    # One who holds no reservation of the node.
    stranger = Peer(source=ATTACKER).dial(arena.address)
    stream = stranger.open(STOP)
    stream.send(delimited(circuit.stop(Identity().peerID)))
    status = circuit.status(stream, 4)
    arena.expect("204 to a stranger", status == NO_RESERVATION, status)
    stranger.close()
    # Its messages.
    for name, message in (
        ("no message", os.urandom(60)),
        ("an unknown type", field(1, 9)),
        ("a status", field(1, 1) + field(4, OK)),
        ("no peer", field(1, 0)),
    ):
        stream = session.open(STOP)
        stream.send(delimited(message))
        try:
            status = circuit.status(stream, 4)
            arena.expect(f"no to {name}", status != OK, status)
        except Ended:
            pass
    stream = session.open(STOP)
    stream.send(delimited(bytes(5000)))
    try:
        circuit.status(stream, 4)
        arena.expect("an end for 5 KiB", False)
    except Ended:
        pass
    # Many that are silent, and many whose source is invented.
    refused = 0
    for _ in range(100):
        stream = session.open(STOP)
        stream.send(delimited(circuit.stop(Identity().peerID)))
        stream.patience(5.0)
        try:
            refused += circuit.status(stream, 4) != OK
        except Ended:
            refused += 1
    session.synchronize()
    state = node.ask("state")
    arena.expect(
        "at most 32 upgrades of one relay", state["upgrading"] <= 32, state["upgrading"]
    )
    arena.expect(
        "no connection of an invented peer",
        node.ask("state")["connections"] == 2,
        node.ask("state")["connections"],
    )
    pingOn(session)
    session.idle(2.0)
    arena.saw(f"of 100 invented peers {refused} refused, {state['upgrading']} waiting")
    node.ask("release", trap.address())
    session.close()
    trap.close()
