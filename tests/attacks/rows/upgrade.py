# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks before anybody is known.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from tests.attacks.arena import Arena, python
from tests.attacks.raw import multistream, noise, tls, yamux
from tests.attacks.raw.identity import Identity
from tests.attacks.raw.peer import Peer, pingOn
from tests.attacks.raw.pipe import TCP, Ended, Pipe, connect, watch
from tests.attacks.raw.wire import varint

__all__ = ["drip", "garbage", "messages", "privateNetwork", "silent"]

#: Seconds that an upgrade may last: ours, and the longest of the others (go's).
DEADLINE = 10.0
DEADLINE_OF_OTHERS = 15.0


def bounds(arena: Arena) -> tuple[float, float]:
    """
    Give the seconds between which an upgrade without end has to be ended.
    """
    if arena.ours:
        return DEADLINE - 0.5, DEADLINE + 2.0
    return 0.0, DEADLINE_OF_OTHERS + 1.5


def silent(arena: Arena) -> None:
    """
    Play C{connection.silent_connections}.
    """
    least, most = bounds(arena)
    sockets = [connect(arena.address) for _ in range(300)]
    arena.newcomer()
    fates = watch(sockets, most + 3)
    held = [each for each in fates if not each.ended]
    times = [each.seconds for each in fates if each.ended]
    arena.expect("every silent socket closed", not held, f"{len(held)} of 300 open")
    if times:
        arena.saw(f"closed after {min(times):.1f} to {max(times):.1f} s")
        arena.expect(
            f"all closed between {least:g} and {most:g} s",
            least <= min(times) and max(times) <= most,
            f"{min(times):.1f} to {max(times):.1f} s",
        )
    for each in sockets:
        each.close()
    arena.newcomer()


class Dripping(Pipe):
    """
    Sends one byte at a time.
    """

    def __init__(self, lower: TCP, pause: float) -> None:
        super().__init__()
        self.lower = lower
        self._pause = pause

    def send(self, data: bytes) -> None:
        """
        Send bytes, slowly.
        """
        for byte in data:
            self.lower.send(bytes((byte,)))
            time.sleep(self._pause)

    def more(self) -> bytes:
        """
        Receive some bytes.
        """
        return self.lower.more()

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        self.lower.patience(seconds)

    def close(self) -> None:
        """
        Hang up.
        """
        self.lower.close()


def drip(arena: Arena) -> None:
    """
    Play C{connection.slow_drip}.
    """
    least, most = bounds(arena)
    # Each begins to drip at another place of the same exchange.
    begun = {
        "multistream": (b"", multistream.HEADER + multistream.message("/noise")),
        "Noise": (
            multistream.HEADER + multistream.message(noise.PROTOCOL_ID),
            noise.frame(noise.Handshake(True).first()),
        ),
        "TLS": (
            multistream.HEADER + multistream.message(tls.PROTOCOL_ID),
            _hello(),
        ),
    }
    sockets = {name: connect(arena.address) for name in begun}
    began = time.monotonic()
    ends: dict[str, float] = {}
    for name, (quick, _) in begun.items():
        if quick:
            sockets[name].send(quick)
    for turn in range(int(most) + 3):
        for name, (_, slow) in begun.items():
            if name in ends:
                continue
            try:
                sockets[name].send(slow[turn : turn + 1] or b"\0")
            except Ended:
                ends[name] = time.monotonic() - began
                continue
            # The first write after the end tells nothing yet.
            if watch([sockets[name]], 0.01)[0].ended:
                ends[name] = time.monotonic() - began
        time.sleep(max(0.0, began + turn + 1 - time.monotonic()))
    for name in begun:
        arena.expect(f"{name} ended", name in ends)
        if name in ends:
            arena.expect(
                # Looked at once a second.
                f"{name} ended between {least:g} and {most + 1:g} s",
                (least <= ends[name] or not arena.ours) and ends[name] <= most + 1,
                f"{ends[name]:.1f} s",
            )
    arena.saw(", ".join(f"{name} {seconds:.0f} s" for name, seconds in ends.items()))
    for pipe in sockets.values():
        pipe.close()
    pieces = Dripping(connect(arena.address), 0.005)
    peer = Peer()
    began = time.monotonic()
    try:
        multistream.choose(pieces, noise.PROTOCOL_ID)
        secure = noise.dial(pieces, peer.identity, (yamux.PROTOCOL_ID,))
        peer.multiplex(secure, yamux.PROTOCOL_ID)
        pingOn(yamux.Session(secure))
        arena.saw(f"byte by byte in {time.monotonic() - began:.1f} s")
    except Ended as end:
        arena.expect("patient with an honest peer in pieces", False, end.how)
    pieces.close()


def _hello() -> bytes:
    """
    Give a ClientHello.
    """
    ours, theirs = socket.socketpair()
    pipe = TCP.__new__(TCP)
    Pipe.__init__(pipe)
    pipe.socket = ours
    theirs.shutdown(socket.SHUT_WR)
    with contextlib.suppress(Ended):
        tls.handshake(pipe, [tls.Certificate(Identity())])
    return theirs.recv(1 << 16)


def messages(arena: Arena) -> None:
    """
    Play C{negotiation.messages}.
    """
    header = multistream.HEADER
    tried = {
        **{
            f"2^{bits}": header + varint(1 << bits) for bits in (11, 20, 27, 31, 34, 40)
        },
        "1025 bytes": header + varint(1025),
        "a varint of 10 bytes": header + b"\xff" * 9 + b"\x01",
        "a varint without end": header + b"\xff" * 64,
        "a varint that is not minimal": header + b"\x87\x00" + b"/noise\n",
        "no newline": header + b"\x07/noise ",
        "another header": multistream.message("/multistream/2.0.0"),
        "101 proposals": header + multistream.message("/none") * 101,
    }
    sockets = []
    for sent in tried.values():
        pipe = connect(arena.address)
        pipe.send(sent)
        sockets.append(pipe)
    fates = dict(zip(tried, watch(sockets, 3.0), strict=True))
    for name, fate in fates.items():
        arena.expect(f"{name} ended at once", fate.ended, "still open after 3 s")
    late = [fate.seconds for fate in fates.values() if fate.ended]
    arena.saw(f"{len(late)} of {len(tried)} ended within {max(late, default=0):.2f} s")
    for pipe in sockets:
        pipe.close()
    # What is announced is sent, too, as far as it is taken.
    for bits in (27, 34):
        pipe = connect(arena.address)
        pipe.send(header + varint(1 << bits))
        taken = 0
        pipe.patience(2.0)
        try:
            while taken < 1 << 27:
                pipe.send(bytes(1 << 16))
                taken += 1 << 16
        except Ended:
            pass
        # What the system's buffers take is no concern of the node.
        arena.expect(
            f"deaf to what follows 2^{bits}", taken < 1 << 24, f"{taken >> 20} MiB"
        )
        pipe.close()
    pipe = connect(arena.address)
    pipe.send(header + multistream.message("ls") + multistream.message("/noise"))
    multistream.receive(pipe)
    said = multistream.receive(pipe)
    if said != "/noise":
        said = "na" if said == "na" else f"a list of {len(said)} bytes"
        arena.saw(f"ls: {said}")
    pipe.close()


def garbage(arena: Arena) -> None:
    """
    Play C{connection.garbage}.
    """
    chance = random.Random(22)
    before = arena.target.opened
    cases: list[bytes] = [
        chance.randbytes(chance.choice((1, 10, 100, 1000))) for _ in range(250)
    ]
    cases += [
        multistream.HEADER + multistream.message(each) + chance.randbytes(200)
        for each in ("/noise", "/tls/1.0.0", "/yamux/1.0.0", "/plaintext/2.0.0", "\0")
        for _ in range(50)
    ]
    _hangUp(arena, cases)
    whole = multistream.HEADER + multistream.message(noise.PROTOCOL_ID)
    whole += noise.frame(noise.Handshake(True).first())
    _hangUp(arena, [whole[:size] for size in range(len(whole))])
    if arena.ours:
        # Others tell of connections when they get round to it.
        arena.expect("connected with nobody", arena.target.opened == before)
    arena.saw(f"{len(cases) + len(whole)} upgrades ended")
    ended = 0
    for secure in _secured(arena, 100):
        # Mostly frames that could be, so that they get further.
        for _ in range(5):
            kind, flags, stream = (
                chance.choice((0, 1, 1, 2, 3, 9)),
                chance.choice((0, 1, 1, 2, 4, 8, 15)),
                chance.choice((0, 1, 1, 2, 3, 5, 1 << 31)),
            )
            length = chance.choice((0, 0, 1, 20, 1 << 18, (1 << 32) - 1))
            body = chance.randbytes(length if length < 21 else 7)
            try:
                secure.send(yamux.frame(kind, flags, stream, length, body))
            except Ended:
                break
        ended += 1
        secure.close()
    arena.saw(f"{ended} sessions survived")


def _secured(arena: Arena, count: int) -> Iterator[Pipe]:
    for _ in range(count):
        peer = Peer()
        secure = peer.secure(arena.address)
        peer.multiplex(secure, yamux.PROTOCOL_ID)
        yield secure


def _hangUp(arena: Arena, cases: list[bytes]) -> None:
    """
    Send, end our half, and expect the same of the node; a few at once, as a crowd
    is another attack.
    """
    held = 0
    for start in range(0, len(cases), 25):
        sockets = []
        for each in cases[start : start + 25]:
            pipe = connect(arena.address)
            with contextlib.suppress(Ended, OSError):
                pipe.send(each)
                pipe.socket.shutdown(socket.SHUT_WR)
            sockets.append(pipe)
        held += sum(not fate.ended for fate in watch(sockets, 5.0))
        for pipe in sockets:
            pipe.close()
    arena.expect("all ended", not held, f"{held} of {len(cases)} open")


def privateNetwork(arena: Arena) -> None:
    """
    Play C{transport.private_network}.
    """
    before = arena.target.opened
    _, most = bounds(arena)
    plain = multistream.HEADER + multistream.message(noise.PROTOCOL_ID)
    # Whatever is enciphered under another key is random to the node.
    chance = random.Random(23)
    sockets = []
    for sent in (plain, *(chance.randbytes(24 + size) for size in (0, 1, 20, 200))):
        for _ in range(10):
            pipe = connect(arena.address)
            pipe.send(sent)
            sockets.append(pipe)
    fates = watch(sockets, most + 3)
    held = [each for each in fates if not each.ended]
    times = [each.seconds for each in fates if each.ended]
    arena.expect("all ended", not held, f"{len(held)} open")
    arena.expect(
        f"all ended within {most:g} s", max(times, default=0) <= most, max(times)
    )
    arena.saw(f"ended after {min(times):.1f} to {max(times):.1f} s")
    arena.expect("unaware of who that was", arena.target.opened == before)
    for each in sockets:
        each.close()
    if arena.ours:
        with tempfile.NamedTemporaryFile("w") as short:
            short.write("/key/swarm/psk/1.0.0/\n/base16/\n" + "00" * 31 + "\n")
            short.flush()
            refused = subprocess.run(
                python("tests.attacks.node", "--psk", short.name),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        arena.expect(
            "strict about the length of a key",
            refused.returncode != 0 and "ConfigurationError" in refused.stderr,
            refused.stderr[-200:],
        )
