# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by the peers that a node asks whether it can be dialed.
"""

from __future__ import annotations

import contextlib
import os

from tests.attacks.arena import Arena, within
from tests.attacks.raw.identity import multiaddr
from tests.attacks.raw.peer import IDENTIFY, Peer
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.serving import Server, identified, serve
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.rows.places import PLACES
from tests.attacks.rows.reaching import REQUEST

__all__ = ["liars"]

DIAL_BACK = "/libp2p/autonat/2/dial-back"

OK, DIAL_ERROR = 200, 100

#: Seconds for which the servers answer.
LONG = 12.0

#: Another's address, which sybils claim to see.
VICTIM = "7.7.7.7"


def _answer(index: int = 0, status: int = OK, dial: int = OK) -> bytes:
    """
    Encode the answer of a server.
    """
    return field(2, field(1, status) + field(2, index) + field(3, dial))


class _Server(Server):
    """
    A server of AutoNAT.

    @ivar addresses: the addresses that it was asked to dial.
    """

    def __init__(
        self, arena: Arena, place: str, seen: str, port: int, answers: list[bytes]
    ) -> None:
        """
        @param place: its address.
        @param seen: the address at which it claims to see the node.
        @param answers: its messages after each question; if there are none, it dials.
        """
        self.addresses: list[bytes] = []
        self._arena = arena
        self._place = place
        self._answers = answers
        super().__init__(
            arena.address,
            REQUEST,
            self._question,
            place,
            LONG,
            f4=multiaddr(seen, port),
        )

    def _question(self, request: bytes) -> bytes:
        # The number is eight bytes, at the end.
        (address, nonce) = request[:-9], request[-8:]
        self.addresses.append(address)
        if self._answers:
            return b"".join(map(delimited, self._answers))
        self._dial(nonce)
        return delimited(_answer())

    def _dial(self, nonce: bytes) -> None:
        session = Peer(source=self._place).dial(self._arena.address)
        stream = session.open(DIAL_BACK)
        stream.send(delimited(b"\x09" + nonce))
        stream.message()
        session.close()


def _guesses(arena: Arena) -> int:
    """
    Send numbers that nobody has given us.

    @return: how many were taken.
    """
    taken = 0
    session = Peer(source=PLACES[-1]).dial(arena.address)
    for guess in (bytes(8), b"\xff" * 8, *(os.urandom(8) for _ in range(30))):
        try:
            stream = session.open(DIAL_BACK)
            stream.send(delimited(b"\x09" + guess))
            stream.patience(5.0)
            taken += not dict(fields(stream.message())).get(1, 0)
        except Ended:
            continue
    session.close()
    return taken


def liars(arena: Arena) -> None:
    """
    Play C{reachability.lying_servers}.
    """
    node = arena.target
    host, port = arena.address
    huge = field(3, field(1, 0) + field(2, (1 << 63) - 1))
    lies: dict[str, list[bytes]] = {
        "success without a number": [_answer()],
        "failure": [_answer(dial=DIAL_ERROR)],
        "failure again": [_answer(dial=DIAL_ERROR)],
        "another index": [_answer(index=7, dial=DIAL_ERROR)],
        "2^63 bytes": [huge, huge],
        "garbage": [os.urandom(40)],
        "5 KiB": [bytes(5000)],
    }
    places = iter(PLACES)
    servers = [
        _Server(arena, next(places), VICTIM if "failure" in name else host, port, each)
        for name, each in lies.items()
    ]
    honest = [_Server(arena, next(places), host, port, []) for _ in range(3)]
    # Two networks claim many addresses; no more than three may be tried.
    sybils = 0
    for number in range(200):
        seen = identified([], f4=multiaddr(f"8.8.{number}.8", port))
        # The node lets in only so many from one address.
        with contextlib.suppress(Ended):
            sybil = Peer(source=PLACES[number % 2]).dial(arena.address)
            serve(sybil, {IDENTIFY: seen}, 0.05)
            sybil.close()
            sybils += 1
    taken = _guesses(arena)
    for each in (*servers, *honest):
        each.thread.join(LONG + 10)
    asked = {name for each in (*servers, *honest) for name in each.addresses}
    state = node.ask("verdict")
    arena.expect("no guess taken", not taken, taken)
    arena.expect(
        "public by the votes of 3 honest servers against 2 liars",
        within(5, lambda: node.ask("verdict")["state"] == "public"),
        state,
    )
    arena.expect(
        "true to its own addresses",
        not any(VICTIM in each or "/8.8." in each for each in state["addresses"]),
        state["addresses"],
    )
    arena.expect("at most 4 addresses tried", len(asked) <= 4, len(asked))
    arena.newcomer()
    arena.saw(
        f"public, as 3 honest servers say; {len(asked)} addresses tried of those that"
        f" {sybils + 2} peers claim to see; no number of 32 guessed; no address of"
        " others stated"
    )
