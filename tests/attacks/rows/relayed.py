# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by peers that come through a relay.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from cryptography.exceptions import InvalidTag

from tests.attacks.arena import Arena, within
from tests.attacks.raw import multistream, noise
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import IDENTIFY, Peer, pingOn
from tests.attacks.raw.pipe import TCP, Ended
from tests.attacks.raw.serving import identified, serve
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import Session, Stream
from tests.attacks.rows.places import NEWCOMER, PLACES
from tests.attacks.rows.punching import DCUTR, SYNC, Relay, toDial

__all__ = ["crowd", "refused", "roles"]

#: The most circuits of one relay that a node of ours accepts.
CIRCUITS = 128

#: Seconds after which a dial has ended whose sides have the same role.
ENDED = 10.0


def crowd(arena: Arena) -> None:
    """
    Play C{relay.crowd}.
    """
    relay, banned = Relay(arena), Identity()
    arena.target.ask("gate", base58(banned.peerID))
    let = 0
    sessions: list[Session] = []
    for _ in range(160):
        with contextlib.suppress(Ended, AssertionError):
            sessions.append(relay.inbound())
            let += 1
    arena.expect(f"at most {CIRCUITS} of one relay", let <= CIRCUITS, let)
    held = arena.target.ask("state")["connections"]
    arena.expect("no more connections than that", held <= let + 2, held)
    # Peers who come directly are let in all the same.
    for source in (NEWCOMER, *PLACES[5:8]):
        arena.newcomer(source)
    for each in sessions[:4]:
        each.close()
    closed = within(10, lambda: arena.target.ask("state")["connections"] < held)
    arena.expect("places of those who have left", closed)
    heard = _listened(relay, Identity())
    arena.expect("identify opened to another peer", IDENTIFY in heard, heard)
    heard = _listened(relay, banned)
    arena.expect("nothing said to a blocked peer", not heard, heard)
    direct = Peer(banned, NEWCOMER)
    try:
        pingOn(direct.dial(arena.address))
        arena.expect("a blocked peer refused, directly too", False)
    except Ended:
        pass
    pingOn(relay.session)
    arena.saw(
        f"of 160 peers of one relay {let} let in; a blocked peer learns nothing through"
        " it"
    )
    relay.close()


def _listened(relay: Relay, peer: Identity) -> list[str]:
    """
    Connect a peer to the node, and serve whatever that opens.

    @return: the protocols of the streams that the node has opened.
    """
    heard: list[str] = []

    def note(name: str) -> Callable[[Stream], None]:
        return lambda stream: heard.append(name)

    with contextlib.suppress(Ended, AssertionError):
        session = relay.inbound(peer)
        serve(session, {each: note(each) for each in (IDENTIFY, DCUTR)}, 5.0)
    return heard


def refused(arena: Arena) -> None:
    """
    Play C{holepunch.refused}.
    """
    relay = Relay(arena)
    asked: list[str] = []

    def note(stream: Stream) -> None:
        asked.append(DCUTR)

    session = relay.inbound()
    public = [multiaddr(PLACES[3], 4001)]
    handlers = {IDENTIFY: identified([DCUTR], public), DCUTR: note}
    serve(session, handlers, 8.0)
    arena.expect("no exchange by the node", not asked, asked)
    session.close()
    answers = []
    for connect in (relay.inbound, relay.outbound):
        opened = connect()
        for _ in range(3):
            try:
                opened.open(DCUTR)
                answers.append("opened")
            except multistream.Refused:
                answers.append("refused")
        opened.close()
    arena.target.hear()
    arena.expect("each exchange refused", set(answers) == {"refused"}, answers)
    arena.saw(f"no exchange in 8 s; {len(answers)} of {len(answers)} refused")
    relay.close()


class _Side:
    """
    A place that the node dials in an exchange, and the words that it hears there.
    """

    def __init__(self, play: Callable[[TCP], object]) -> None:
        self._server = socket.create_server((PLACES[3], 0), backlog=64)
        self._play = play
        self.address = multiaddr(*self._server.getsockname())
        self.seconds: list[float] = []

    def serve(self, seconds: float) -> None:
        """
        Play the dials that come in some time, one after the other.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._server.settimeout(left)
            try:
                pipe = TCP(self._server.accept()[0])
            except TimeoutError:
                return
            with contextlib.suppress(Ended, ValueError, InvalidTag):
                self._play(pipe)
            # What is left of the time in which both wait for each other.
            self.seconds.append(pipe.fate(2 * ENDED).seconds)
            pipe.close()

    def close(self) -> None:
        """
        Listen no longer.
        """
        self._server.close()


def _initiate(pipe: TCP) -> None:
    """
    Begin the handshake, as the other side does.
    """
    multistream.choose(pipe, noise.PROTOCOL_ID)
    noise.dial(pipe, Identity(), ())


def _reflect(pipe: TCP) -> None:
    """
    Send back each byte.
    """
    pipe.patience(2.0)
    while True:
        pipe.send(pipe.some())


def roles(arena: Arena) -> None:
    """
    Play C{holepunch.roles}.
    """
    ended: list[float] = []
    for name, play, asked in (
        ("two servers", lambda pipe: None, False),
        ("two clients", _initiate, True),
        ("a mirror", _reflect, True),
    ):
        # The node drops a relay that is silent, as this one is during the dials.
        relay, side = Relay(arena), _Side(play)
        before = arena.target.ask("state")["OpenedConn"]
        exchange = _answered if asked else _asking
        with contextlib.suppress(Ended):
            exchange(relay, side)
        side.close()
        if asked:
            arena.target.hear()
        # That through the relay is one.
        count = arena.target.ask("state")["OpenedConn"] - before
        arena.expect(f"no direct connection for {name}", count <= 1, count)
        arena.expect(f"dialed for {name}", bool(side.seconds))
        worst = max(side.seconds, default=0.0)
        arena.expect(f"an end in 10 s for {name}", worst < ENDED, f"{worst:.1f} s")
        ended += side.seconds
        with contextlib.suppress(Ended):
            relay.close()
    arena.newcomer()
    arena.saw(
        f"{len(ended)} dials with the same role on both sides ended after"
        f" {max(ended, default=0):.1f} s at most, none connected"
    )


def _asking(relay: Relay, side: _Side) -> None:
    """
    Let the node ask, which is the server of the dials then.
    """

    def answer(stream: Stream) -> None:
        stream.send(delimited(toDial([side.address])))
        stream.message()
        side.serve(8.0)

    session = relay.inbound()
    serve(session, {IDENTIFY: identified([DCUTR]), DCUTR: answer}, 12.0)


def _answered(relay: Relay, side: _Side) -> None:
    """
    Ask the node, which is the client of the dials then.
    """
    stream = relay.outbound().open(DCUTR)
    stream.send(delimited(toDial([side.address])))
    stream.message()
    stream.send(delimited(field(1, SYNC)))
    side.serve(8.0)
