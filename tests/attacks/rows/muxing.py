# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on muxers.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable

from tests.attacks.arena import Arena
from tests.attacks.raw import mplex
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import TCP, Ended
from tests.attacks.raw.yamux import (
    ACK,
    DATA,
    INITIAL_WINDOW,
    PING,
    RST,
    SYN,
    WINDOW,
    Frame,
    Session,
    frame,
)

__all__ = ["floods", "frames", "mplexAbuse", "streams", "tinyFrames", "unread"]

ECHO = "/echo/1.0.0"

MOST = (1 << 32) - 1

#: The code of a go-away that tells of a violation.
PROTOCOL_ERROR = 1

MIB = 1 << 20


def frames(arena: Arena) -> None:
    """
    Play C{muxer.yamux_frames}.
    """

    def dataBeyond(session: Session) -> None:
        # To a stream whose window is full: what it sends back is not read.
        stream = session.open(ECHO)
        for _ in range(64):
            session.send(frame(DATA, 0, stream.id, body=bytes(65536)))

    def growTwice(session: Session) -> None:
        stream = session.open(ECHO)
        session.send(frame(WINDOW, 0, stream.id, MOST) * 2)

    def openTwice(session: Session) -> None:
        stream = session.open(ECHO)
        session.send(frame(WINDOW, SYN, stream.id, 0))

    def sending(*sent: bytes) -> Callable[[Session], None]:
        return lambda session: session.send(*sent)

    violations: dict[str, Callable[[Session], None]] = {
        "version 1": sending(frame(DATA, 0, 1, version=1)),
        "type 4": sending(frame(4)),
        "a stream of the wrong parity": sending(frame(WINDOW, SYN, 2, 0)),
        "a stream opened twice": openTwice,
        "data beyond the window": dataBeyond,
        "a first frame of 256 KiB and a byte": sending(
            frame(DATA, SYN, 1, INITIAL_WINDOW + 1, bytes(INITIAL_WINDOW + 1))
        ),
        "a first frame of 4 GiB": sending(frame(DATA, SYN, 1, MOST, bytes(65536))),
        "4 GiB for nobody": sending(frame(DATA, 0, 77, MOST, bytes(65536))),
        "4 GiB on stream 0": sending(frame(DATA, 0, 0, MOST, bytes(65536))),
        "a window beyond 32 bits": growTwice,
        "a first window beyond 32 bits": sending(
            frame(WINDOW, SYN, 1, MOST), frame(WINDOW, 0, 1, MOST)
        ),
    }
    ended: list[float] = []
    quiet: list[str] = []
    for name, violate in violations.items():
        session = Peer().dial(arena.address)
        with contextlib.suppress(Ended):
            violate(session)
        fate = session.idle(3.0)
        arena.expect(f"{name} ended", fate.ended, fate)
        if fate.ended:
            ended.append(fate.seconds)
            if session.code != PROTOCOL_ERROR:
                quiet.append(name)
        session.close()
    # TCP may drop a go-away when the other end still sends: once is enough.
    if arena.ours:
        arena.expect("saying a go-away", len(quiet) <= 2, ", ".join(quiet))
    arena.saw(
        f"{len(ended)} of {len(violations)} ended within {max(ended, default=0):.2f} s,"
        f" {len(ended) - len(quiet)} with a go-away for a protocol error"
    )
    # Such a delta is unusual, and correct.
    session = Peer().dial(arena.address)
    pingOn(session)
    session.send(frame(WINDOW, SYN, session.take()[0], MOST - INITIAL_WINDOW))
    session.synchronize()
    arena.expect("right about a large first window", session.code is None)
    session.close()


def floods(arena: Arena) -> None:
    """
    Play C{muxer.yamux_floods}.
    """
    many = 100_000

    def opening(session: Session) -> list[bytes]:
        return [
            frame(WINDOW, SYN, each, 0) + frame(WINDOW, RST, each, 0)
            for each in session.take(many)
        ]

    def stream(session: Session) -> int:
        return session.open(ECHO).id

    kinds: dict[str, Callable[[Session], list[bytes]]] = {
        "pings": lambda it: [frame(PING, SYN, 0, n) for n in range(many)],
        "opens with resets": opening,
        "resets": lambda it: [frame(WINDOW, RST, each, 0) for each in it.take(many)],
        "window updates": lambda it: [frame(WINDOW, 0, stream(it), 1)] * many,
        "bytes": lambda it: [frame(DATA, 0, stream(it), body=b"x")] * many,
        "pongs": lambda it: [frame(PING, ACK, 0, n) for n in range(many)],
    }
    told: list[str] = []
    for name, make in kinds.items():
        for reading in (False, True):
            session = Peer().dial(arena.address)
            sent = make(session)
            cpu, taken, alive = arena.target.cpu, 0, True
            try:
                for start in range(0, many, 5000):
                    session.send(*sent[start : start + 5000])
                    taken = start + 5000
                    if reading:
                        session.synchronize()
                # Who does not read does not see the end either.
                alive = reading or not session.idle(0.2).ended
            except Ended:
                alive = False
            session.close()
            cost = (arena.target.cpu - cpu) / taken * 1e6 if taken else 0.0
            end = "taken" if alive else f"ended by {taken}"
            told.append(f"{name} {end}" + (f", {cost:.0f} µs each" if reading else ""))
            arena.newcomer()
    arena.saw("; ".join(told))


def streams(arena: Arena) -> None:
    """
    Play C{negotiation.silent_streams}.
    """
    # As many more than may be in negotiation as a peer may be refused at once.
    count, most = 1_000, 512
    session = Peer().dial(arena.address)
    pingOn(session)
    began = time.monotonic()
    opened = session.take(count)
    live = 0
    try:
        for start in range(0, count, 500):
            session.send(
                *(frame(WINDOW, SYN, each, 0) for each in opened[start : start + 500])
            )
            session.synchronize()
            if arena.ours:
                live = max(live, arena.target.ask("state")["streams"])
        at_once = len(session.resets)
        arena.newcomer()
        session.until(lambda got: len(session.resets) >= count, 14.0)
    except Ended as end:
        if session.code is None and end.how == "silent":
            left = count - len(session.resets)
            arena.expect("rid of all within 14 s", False, f"{left} streams are left")
        else:
            arena.saw(f"ended the connection after {time.monotonic() - began:.1f} s")
    else:
        seconds = time.monotonic() - began
        arena.saw(f"{at_once} reset at once, the others after {seconds:.1f} s")
        if arena.ours:
            arena.expect("patient with 128 streams", at_once >= count - 128, at_once)
            arena.expect("rid of them at 10 s", 9.5 < seconds < 12.5, seconds)
    if arena.ours:
        arena.expect(f"never holding more than {most} streams", live <= most, live)
    session.close()


def unread(arena: Arena) -> None:
    """
    Play C{muxer.unread_streams}.
    """
    began = time.monotonic()
    # One who reads his socket, but gives no credit on a stream.
    stingy = Peer().dial(arena.address)
    stuck = _pour(stingy)
    arena.saw(f"a stream takes {stuck // 1024} KiB unread")
    arena.expect("bounded by the windows", stuck <= 4 * MIB, f"{stuck // MIB} MiB")
    # One who does not read his socket either.
    deaf = Peer().dial(arena.address)
    deaf.answering = False
    try:
        stream = deaf.open(ECHO)
        deaf.send(frame(WINDOW, 0, stream.id, 1 << 30))
        _tcp(deaf).patience(1.0)
        # What the node takes beyond the first window it has to grant, which nobody
        # reads here.
        while piece := min(16384, stream.credit):
            stream.send(bytes(piece))
    except Ended:
        pass
    # One who is honest, and slow.
    slow = Peer().dial(arena.address)
    missing = _pausing(slow, began + 30)
    arena.expect("kind to a reader who pauses for 30 s", not missing, missing)
    if not missing:
        arena.saw("a reader may pause for 30 s")
    slow.close()
    # The deaf one is dead by now, or soon: by the keepalive at the latest.
    left = began + 75 - time.monotonic()
    _tcp(deaf).patience(left)
    fate = _tcp(deaf).fate(left)
    if arena.ours:
        arena.expect("rid of the deaf peer within 75 s", fate.ended, fate)
    arena.saw(
        f"a deaf peer is dropped after {time.monotonic() - began:.0f} s"
        if fate.ended
        else "a deaf peer is kept for more than 75 s"
    )
    stingy.close()
    deaf.close()


def _pausing(session: Session, pause: float) -> int:
    """
    Echo 1 MiB, but take nothing beyond the first window until some time.

    @return: how many bytes did not come back, or not as they were sent.
    """
    size = 1 << 20
    pattern = random.Random(10).randbytes(size)
    stream = session.open(ECHO)
    sent, received = 0, bytearray()
    granted = False
    deadline = pause + 30
    try:
        while len(received) < size and time.monotonic() < deadline:
            while piece := min(32768, stream.credit, size - sent):
                stream.send(pattern[sent : sent + piece])
                sent += piece
            if not granted and time.monotonic() >= pause:
                granted = True
                stream.grant(size)
            until = deadline if granted else pause
            got = _next(session, max(until - time.monotonic(), 0.01))
            if got is None or got.stream != stream.id:
                continue
            received += got.body
            if got.flags & RST:
                break
    except Ended:
        pass
    return size - len(received) if pattern.startswith(received) else size


def _tcp(session: Session | mplex.Session) -> TCP:
    """
    Give the socket below a session.
    """
    pipe = session.pipe
    while not isinstance(pipe, TCP):
        pipe = pipe.lower  # type: ignore[attr-defined]
    return pipe


def _next(session: Session, seconds: float) -> Frame | None:
    """
    Receive a frame, if one comes.
    """
    try:
        return session.until(lambda got: True, seconds)
    except Ended:
        return None


def _pour(session: Session) -> int:
    """
    Send to echo as much as it takes, without giving credit for what comes back.

    @return: how much that is.
    """
    stream = session.open(ECHO)
    sent = 0
    while sent < 64 * MIB:
        while piece := min(32768, stream.credit):
            stream.send(bytes(piece))
            sent += piece
        try:
            session.until(lambda got: stream.credit > 0, 2.0)
        except Ended:
            break
    return sent


def mplexAbuse(arena: Arena) -> None:
    """
    Play C{muxer.mplex_abuse}.
    """
    session = Peer().dialMplex(arena.address)
    try:
        session.send(mplex.frame(mplex.NEW, 0))
        session.send(mplex.frame(mplex.DATA, 0, bytes(MIB + 1)))
    except Ended:
        pass
    fate = _tcp(session).fate(3.0)
    arena.expect("a message of 1 MiB and a byte ended", fate.ended, fate)
    session.close()
    session = Peer().dialMplex(arena.address)
    try:
        for flag in (mplex.DATA, mplex.CLOSE, mplex.RESET):
            session.send(mplex.frame(flag, 4711, b"nobody" if flag == 2 else b""))
        pingOn(session)
        arena.saw("frames for nobody are ignored")
    except Ended as end:
        arena.expect("lenient with frames for nobody", not arena.ours, end.how)
        arena.saw("frames for nobody end the connection")
    session.close()
    session = Peer().dialMplex(arena.address)
    try:
        stream = session.open(ECHO)
        stream.finish()
        stream.send(b"more")
        fate = _tcp(session).fate(3.0)
        arena.saw(f"data after the end: {fate.how}")
    except Ended as end:
        arena.saw(f"data after the end: {end.how}")
    session.close()
    _manyOpens(arena)
    _unreadMplex(arena)


def _manyOpens(arena: Arena) -> None:
    """
    Open more streams than there may be.
    """
    session = Peer().dialMplex(arena.address)
    try:
        opened = session.take(1000)
        began = time.monotonic()
        session.send(*(mplex.frame(mplex.NEW, each) for each in opened))
        session.pipe.patience(3.0)
        while len(session.resets) < 1000 - 128:
            session.read()
        first = min(session.resets)
        arena.saw(f"of 1000 opens all but {first} reset")
        if arena.ours:
            arena.expect("room for 128 streams", first == 128, first)
    except Ended as end:
        arena.saw(
            f"1000 opens: {end.how} after {time.monotonic() - began:.1f} s,"
            f" {len(session.resets)} reset"
        )
        arena.expect(
            "refusing most of 1000 opens", end.how != "silent", len(session.resets)
        )
    session.close()


def _unreadMplex(arena: Arena) -> None:
    """
    Send to echo, and do not read what comes back.
    """
    session = Peer().dialMplex(arena.address)
    stream = session.open(ECHO)
    sent, limit = 0, 64 * MIB
    _tcp(session).patience(7.0)
    began = time.monotonic()
    try:
        while sent < limit:
            stream.send(bytes(32768))
            sent += 32768
        stuck = "all"
    except Ended as end:
        stuck = f"{sent // MIB} MiB, then {end.how}"
    arena.saw(f"an unread echo takes {stuck} after {time.monotonic() - began:.0f} s")
    session.close()


def tinyFrames(arena: Arena) -> None:
    """
    Play C{muxer.tiny_frames}.
    """
    sent = 0
    session = Peer().dial(arena.address)
    try:
        for _ in range(6):
            sent += _crumble(session)
    except Ended as end:
        arena.saw(f"tiny frames end the connection: {end.how}")
    arena.saw(f"yamux: {sent // 1024} KiB in frames of 2 bytes taken")
    arena.newcomer()
    session.close()
    other = Peer().dialMplex(arena.address)
    count, piece = 0, 2000
    _tcp(other).patience(7.0)
    try:
        stream = other.open(ECHO)
        tiny = mplex.frame(mplex.DATA, stream.id, b"xx") * piece
        while count < 500_000:
            other.send(tiny)
            count += piece
        taken = "all"
    except Ended as end:
        taken = f"{count}, then {end.how}"
    arena.saw(f"mplex: of 500000 frames of 2 bytes {taken}")
    arena.newcomer()
    other.close()


def _crumble(session: Session) -> int:
    """
    Send to echo all that it takes in frames of two bytes, and give no credit for what
    comes back.

    @return: how many bytes that is.
    """
    stream = session.open(ECHO)
    # What we have allowed it to send back.
    stream.send(bytes(INITIAL_WINDOW))
    session.until(lambda got: stream.credit > 0)
    tiny = frame(DATA, 0, stream.id, body=b"xx")
    sent = 0
    while True:
        while count := min(2000, stream.credit // 2):
            session.send(tiny * count)
            session.credit[stream.id] -= 2 * count
            sent += 2 * count
        try:
            session.until(lambda got: stream.credit > 1, 1.0)
        except Ended as end:
            if end.how != "silent":
                raise
            return sent
