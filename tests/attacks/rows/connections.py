# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by the number, the time and the places of connections.
"""

from __future__ import annotations

import resource
import selectors
import socket
import time

from tests.attacks.arena import Arena, Target, python, within
from tests.attacks.raw import multistream, noise
from tests.attacks.raw.identity import base58
from tests.attacks.raw.peer import Peer, Trap, pingOn
from tests.attacks.raw.pipe import TCP, Ended, connect, connectAs, watch
from tests.attacks.raw.yamux import DATA, SYN, WINDOW, Session, frame
from tests.attacks.rows.places import ATTACKER, NEWCOMER

__all__ = [
    "crowd",
    "descriptors",
    "hold",
    "idle",
    "simultaneous",
    "stopping",
    "targets",
    "watermarks",
]

ECHO = "/echo/1.0.0"


def crowd(arena: Arena) -> None:
    """
    Play C{connmanager.one_address}.
    """
    cpu = arena.target.cpu
    sockets = [connectAs(ATTACKER, arena.address) for _ in range(1000)]
    fates = watch(sockets, 1.0)
    held = sum(not each.ended for each in fates)
    arena.saw(f"of 1000 sockets {held} held")
    if arena.ours:
        arena.expect("holding 8 of an address", held == 8, held)
        said = sum(bool(each.said) for each in fates if each.ended)
        arena.expect("refusing without a word", not said, said)
    cost = (arena.target.cpu - cpu) / 1000
    arena.expect("cheap: 1 ms for each", cost < 0.001, f"{cost * 1000:.2f} ms")
    arena.newcomer(NEWCOMER)
    for each in sockets:
        each.close()
    # One after the other, each another peer.
    served = 0
    for _ in range(100):
        try:
            session = Peer(source=ATTACKER).dial(arena.address)
            pingOn(session)
            served += 1
            session.close()
        except Ended:
            pass
    arena.saw(f"then of 100 peers, one after the other, {served} served")
    if arena.ours:
        arena.expect("letting in no crowd", served <= 16, served)
    arena.newcomer(NEWCOMER)


def watermarks(arena: Arena) -> None:
    """
    Play C{connmanager.water_marks}.
    """
    count, low, high = 200, 160, 192
    peers = [Peer() for _ in range(count)]
    protected = {base58(each.identity.peerID) for each in peers[:5]}
    arena.target.ask("protect", arena.honest.first["peerId"], *protected)
    sessions: dict[str, Session] = {}
    early: dict[str, Session] = {}
    began = time.monotonic()
    for peer in peers:
        sessions[base58(peer.identity.peerID)] = peer.dial(arena.address)
        early |= hold(sessions, time.monotonic())
    last = time.monotonic()
    early |= hold(sessions, began + 55)
    arena.expect("kind to newcomers for 60 s", not early, f"{len(early)} trimmed")
    gone = hold(sessions, last + 80)
    left = len(sessions) + 1
    # Those that settle after the others have been trimmed stay, up to the high mark.
    arena.expect(f"down to {low} to {high}", low <= left <= high, left)
    arena.expect("above the high mark at first", count > high)
    arena.expect("true to the protected", not protected & set(gone))
    codes = {session.code for session in gone.values()}
    arena.expect("telling the trimmed why", codes == {0x1006}, codes)
    arena.saw(f"{len(gone)} trimmed after the time of grace, {left} left")
    for session in sessions.values():
        session.close()


def hold(sessions: dict[str, Session], until: float) -> dict[str, Session]:
    """
    Answer pings on many sessions.

    @return: those that ended, which are taken out.
    """
    gone: dict[str, Session] = {}
    with selectors.DefaultSelector() as selector:
        for name, session in sessions.items():
            selector.register(_tcp(session).socket, selectors.EVENT_READ, name)
        while ready := selector.select(max(until - time.monotonic(), 0)):
            for key, _ in ready:
                session = sessions[key.data]
                try:
                    session.pipe.patience(1.0)
                    session.read()
                except Ended:
                    selector.unregister(key.fileobj)
                    gone[key.data] = sessions.pop(key.data)
                    session.close()
    return gone


def _tcp(session: Session) -> TCP:
    pipe = session.pipe
    assert isinstance(pipe, noise.Noise) and isinstance(pipe.lower, TCP)
    return pipe.lower


def descriptors(arena: Arena) -> None:
    """
    Play C{transport.no_descriptors}.
    """
    target = arena.target
    before = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
    limit = target.descriptors + 20
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    sockets = [connect(arena.address) for _ in range(100)]
    cpu, began = target.cpu, time.monotonic()
    fates = watch(sockets, 3.0)
    busy = (target.cpu - cpu) / (time.monotonic() - began)
    # The honest peer's pings cost something, too.
    arena.expect("idle while it starves", busy < 0.5, f"{busy:.0%} of a processor")
    arena.saw(f"{busy:.0%} of a processor while it starves")
    for each in sockets:
        each.close()
    arena.expect(
        "rid of the sockets", within(10, lambda: target.descriptors < limit - 10)
    )
    arena.newcomer()
    refused = sum(each.ended for each in fates)
    arena.saw(f"{refused} of 100 refused, and a newcomer served afterwards")
    resource.prlimit(target.pid, resource.RLIMIT_NOFILE, before)


class _BlackHole:
    """
    An address that swallows what comes: its queue is full.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._fill = []
        for _ in range(4):
            filling = socket.socket()
            filling.setblocking(False)
            filling.connect_ex(("127.0.0.1", self.port))
            self._fill.append(filling)

    def close(self) -> None:
        """
        Swallow no more.
        """
        for each in (*self._fill, self._socket):
            each.close()


def _dead() -> int:
    """
    Give a port where nobody listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def targets(arena: Arena) -> None:
    """
    Play C{connection.hostile_dial_targets}.
    """
    node = arena.target
    live = Target(python("tests.attacks.node"))
    hole = _BlackHole()

    def at(port: int) -> str:
        return f"/ip4/127.0.0.1/tcp/{port}/p2p/{live.peerID}"

    for name, addresses in (
        ("dead, live", (at(_dead()), live.multiaddr)),
        ("live, dead", (live.multiaddr, at(_dead()))),
        ("black hole, live", (at(hole.port), live.multiaddr)),
    ):
        answer = node.ask("dial", *addresses)
        arena.expect(f"through [{name}]", answer["ok"], answer["error"])
        arena.expect(
            f"through [{name}] within 2 s", answer["seconds"] < 2, answer["seconds"]
        )
        node.ask("part", live.peerID)
    hole.close()
    live.end()
    # Two hundred addresses, and nobody behind them.
    trap = Trap()
    who = base58(trap.identity.peerID)
    nobody = [f"/ip4/127.1.{n}.1/tcp/{_dead()}/p2p/{who}" for n in range(200)]
    answer = node.ask("dial", *nobody)
    arena.expect("done with 200 dead addresses", not answer["ok"])
    tried = answer["error"].count("/ip4/")
    arena.expect("trying no more than 100", tried <= 100, tried)
    arena.saw(f"200 dead addresses: {tried} told, {answer['seconds']:.1f} s")
    answer = node.ask("dial", node.multiaddr)
    arena.expect("aware of itself", "DialToSelf" in answer["error"], answer["error"])
    # Fifty callers, one connection.
    node.tell("crowd", 50, trap.address())
    secure = trap.secure()
    if "/yamux/1.0.0" not in secure.muxers:
        multistream.answer(secure, "/yamux/1.0.0")
    session = Session(secure, initiator=False)
    answer = node.hear()
    trap.socket.settimeout(0.5)
    try:
        trap.accept()
        arena.expect("sharing one connection", False)
    except TimeoutError:
        arena.saw("50 callers share one connection")
    arena.expect("sharing one dial", answer.get("connections") == 1, answer)
    session.close()
    trap.close()
    # Whoever answers with garbage, or not at all.
    for name, said, bound in (
        ("garbage", b"\x13garbage" * 9, 2.0),
        ("silence", b"", 17),
    ):
        trap = Trap()
        node.tell("dial", trap.address())
        pipe = trap.accept()
        if said:
            pipe.send(said)
        answer = node.hear()
        arena.expect(f"done with {name}", not answer["ok"])
        arena.expect(
            f"done with {name} within {bound:g} s",
            answer["seconds"] < bound,
            answer["seconds"],
        )
        arena.saw(f"{name}: {answer['seconds']:.1f} s")
        pipe.close()
        trap.close()


def simultaneous(arena: Arena) -> None:
    """
    Play C{connection.simultaneous_dial}.
    """
    node = arena.target
    other = Target(python("tests.attacks.node"))
    good = same = twice = 0
    for _ in range(100):
        node.tell("dial", other.multiaddr)
        other.tell("dial", node.multiaddr)
        good += all(each["ok"] for each in (node.hear(), other.hear()))
        chosen = node.ask("chosen", other.peerID), other.ask("chosen", node.peerID)
        same += chosen[0]["ends"] == chosen[1]["ends"]
        twice += any(each["connections"] > 1 for each in chosen)
        node.ask("part", other.peerID)
        other.ask("part", node.peerID)
    arena.expect("useful 100 times", good == 100, good)
    arena.expect("of one mind 100 times", same == 100, same)
    arena.saw(
        f"{good} of 100 useful, both use the same one; {twice} times there were 2"
    )
    arena.expect("paired at the other end", within(5, lambda: other.open == 0))
    arena.expect("free of tracebacks there", "Traceback" not in other.log())
    other.end()


def stopping(arena: Arena) -> None:
    """
    Play C{node.stop_under_load}.  The arena's own node goes on; another node stops.
    """
    node = Target(python("tests.attacks.node"))
    # What opens with the first connection, and stays, is no leak.
    pingOn(Peer().dial(node.address))
    within(5, lambda: node.open == 0)
    before = node.descriptors
    half = []
    for _ in range(100):
        pipe = connect(node.address)
        multistream.choose(pipe, noise.PROTOCOL_ID)
        pipe.send(noise.frame(noise.Handshake(True).first()))
        half.append(pipe)
    sessions = []
    for _ in range(50):
        session = Peer().dial(node.address)
        stream = session.open(ECHO)
        session.send(frame(WINDOW, 0, stream.id, 1 << 30))
        for _ in range(8):
            session.send(frame(DATA, 0, stream.id, body=bytes(32768)))
        session.send(*(frame(WINDOW, SYN, each, 0) for each in session.take(20)))
        sessions.append(session)
    answer = node.ask("stop")
    arena.saw(f"stopped in {answer['seconds']:.2f} s")
    arena.expect("stopped within 1 s", answer["seconds"] <= 1.0, answer["seconds"])
    arena.expect("without delayed calls", not answer["left"], answer["left"][:3])
    arena.expect(
        "without sockets",
        # The one that listened is gone as well.
        within(5, lambda: node.descriptors <= before),
        node.descriptors - before,
    )
    arena.expect(
        "all events paired",
        answer["OpenedConn"] == answer["ClosedConn"]
        and answer["OpenedStream"] == answer["ClosedStream"],
        answer,
    )
    status = node.end()
    arena.expect("ended in good order", status == 0, status)
    log = node.log()
    arena.expect("free of tracebacks there", "Traceback" not in log, log[-300:])
    for pipe in half:
        pipe.close()
    for session in sessions:
        session.close()


def idle(arena: Arena) -> None:
    """
    Play C{connmanager.idle_and_dead_peers}.
    """
    began = time.monotonic()
    honest, dead = Peer().dial(arena.address), Peer().dial(arena.address)
    dead.answering = False
    opened = arena.target.open
    fate = honest.idle(75.0)
    arena.expect("kind to whoever is idle", not fate.ended, fate)
    if not fate.ended:
        pingOn(honest)
        arena.saw("an idle peer is kept")
    left = dead.idle(1.0)
    arena.saw(
        f"a dead one is {'' if left.ended else 'not '}noticed"
        f" within {time.monotonic() - began:.0f} s"
    )
    if arena.ours:
        arena.expect("aware of the dead", left.ended, left)
        arena.expect("telling of the dead", arena.target.open == opened - 1)
        reasons = arena.target.ask("state")["reasons"]
        arena.expect("telling why", reasons.get("PeerUnresponsive") == 1, reasons)
    honest.close()
    dead.close()
