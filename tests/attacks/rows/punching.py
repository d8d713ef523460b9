# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by peers that want a hole to be punched, and by relays on what they carry.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable

from tests.attacks.arena import Arena
from tests.attacks.raw import circuit, multistream, noise, yamux
from tests.attacks.raw.circuit import HOP, STOP
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.peer import IDENTIFY, Trap, pingOn
from tests.attacks.raw.pipe import Ended
from tests.attacks.raw.serving import accept, identified, serve
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import DATA, SYN, WINDOW, Session, Stream, frame
from tests.attacks.rows.places import HOST, PLACES
from tests.attacks.rows.relaying import accepted

__all__ = ["CONNECT", "DCUTR", "SYNC", "Relay", "exchanges", "paths", "toDial"]

DCUTR = "/libp2p/dcutr"

CONNECT, SYNC = 100, 300

#: The most addresses of a peer that are dialed.
DIALED = 8

#: Seconds for three exchanges, and the dials of each.
LONG = 20.0

#: Bytes that the side that waits for the other says: a header of multistream.
HEADER = 40


class Traps:
    """
    Sockets at the addresses that a peer names.

    @ivar addresses: these addresses.
    """

    def __init__(self) -> None:
        self._servers: dict[socket.socket, str] = {}
        self._selector = selectors.DefaultSelector()
        third = PLACES[3]
        places = [("loopback", "127.0.0.1", 0), ("private", HOST, 0)]
        places += [("a low port", third, 80)] + [("a third party", third, 0)] * 60
        for name, host, port in places:
            server = socket.create_server((host, port), backlog=64)
            self._servers[server] = name
            self._selector.register(server, selectors.EVENT_READ)
        self.addresses = [multiaddr(*each.getsockname()) for each in self._servers]
        self.addresses += [
            multiaddr("169.254.169.254", 8000),
            multiaddr("224.0.0.1", 4001),
            b"\x36\x09localhost\x06\x1f\x40",
        ]

    def caught(self, seconds: float) -> tuple[Counter[str], set[int], bytes]:
        """
        Take the connections that come in some time.

        @return: their number for each kind of address; the ports of the third party
            that were dialed; and the longest of the first words.
        """
        kinds: Counter[str] = Counter()
        ports: set[int] = set()
        said = b""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                server = key.fileobj
                assert isinstance(server, socket.socket)
                dialed = server.accept()[0]
                kinds[self._servers[server]] += 1
                ports.add(server.getsockname()[1])
                dialed.settimeout(0.2)
                with contextlib.suppress(OSError):
                    said = max(said, dialed.recv(65536), key=len)
                dialed.close()
        return kinds, ports, said

    def close(self) -> None:
        """
        Close the sockets.
        """
        self._selector.close()
        for each in self._servers:
            each.close()


def toDial(addresses: list[bytes]) -> bytes:
    """
    Encode the first message of either side.
    """
    return field(1, CONNECT) + b"".join(field(2, each) for each in addresses)


class Relay:
    """
    A relay at which the node has a place, and which makes up its peers.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.trap = Trap(host=PLACES[0])
        place = multiaddr(self.trap.host, self.trap.port)
        grant = circuit.grant(int(time.time()) + 3600, [place])
        self.session = accepted(arena, self.trap, grant)
        arena.target.hear()

    def inbound(self, peer: Identity | None = None) -> Session:
        """
        Connect a peer to the node, an invented one by default.
        """
        peer = peer or Identity()
        stream = self.session.open(STOP)
        stream.send(delimited(circuit.stop(peer.peerID)))
        assert circuit.status(stream, 4) == circuit.OK
        multistream.choose(stream, noise.PROTOCOL_ID)
        secure = noise.dial(stream, peer, (yamux.PROTOCOL_ID,))
        if yamux.PROTOCOL_ID not in secure.muxers:
            multistream.choose(secure, yamux.PROTOCOL_ID)
        return Session(secure)

    def asked(self, peer: Identity) -> Stream:
        """
        Have the node dial an invented peer, and let it through.
        """
        target = f"{self.trap.address()}/p2p-circuit/p2p/{base58(peer.peerID)}"
        self._arena.target.tell("dial", target)
        stream = accept(self.session, HOP)
        stream.message()
        stream.send(delimited(field(1, 2) + field(5, circuit.OK)))
        return stream

    def outbound(self) -> Session:
        """
        Be the invented peer that the node dials.
        """
        peer = Identity()
        stream = self.asked(peer)
        multistream.answer(stream, noise.PROTOCOL_ID)
        secure = noise.accept(stream, peer, (yamux.PROTOCOL_ID,))
        if yamux.PROTOCOL_ID not in secure.muxers:
            multistream.answer(secure, yamux.PROTOCOL_ID)
        return Session(secure, initiator=False)

    def close(self) -> None:
        """
        Give the place back.
        """
        self._arena.target.ask("release", self.trap.address())
        self.session.close()
        self.trap.close()


def _punched(
    relay: Relay, addresses: list[bytes], answer: Callable[[Stream], None], long: float
) -> int:
    """
    Connect a peer that names addresses in identify, and answers exchanges.

    @return: the number of exchanges.
    """
    count = 0

    def asked(stream: Stream) -> None:
        nonlocal count
        count += 1
        stream.message()
        answer(stream)

    session = relay.inbound()
    serve(session, {IDENTIFY: identified([DCUTR], addresses), DCUTR: asked}, long)
    session.close()
    return count


def _wrongSide(arena: Arena, relay: Relay) -> None:
    """
    Begin exchanges where the node should, many at once.
    """
    session = relay.inbound()
    proposal = multistream.HEADER + multistream.message(DCUTR)
    streams = session.take(200)
    for each in streams:
        session.send(
            frame(WINDOW, SYN, each, 0),
            frame(DATA, 0, each, body=proposal + delimited(toDial([]))),
        )
    with contextlib.suppress(Ended):
        session.until(lambda got: len(session.resets) == len(streams), 15.0)
    ended = sum(each in session.resets for each in streams)
    arena.expect("every exchange of the wrong side reset", ended == 200, ended)
    session.close()


def _asking(arena: Arena, relay: Relay, traps: Traps) -> tuple[int, set[int]]:
    """
    Begin exchanges with the node that has dialed us, more than it should answer.

    @return: how many it has answered, and the ports that it has dialed.
    """
    session = relay.outbound()
    answered = 0
    ports: set[int] = set()
    for _ in range(8):
        try:
            stream = session.open(DCUTR)
            stream.send(delimited(toDial(traps.addresses)))
            stream.patience(2.0)
            stream.message()
            # The second one is out of turn.
            stream.send(delimited(field(1, SYNC)) * 2)
        except (Ended, multistream.Refused):
            continue
        answered += 1
        kinds, dialed, _ = traps.caught(1.0)
        ports |= dialed
        wrong = {each for each in kinds if each != "a third party"}
        arena.expect("no dial inside, when asked", not wrong, wrong)
    session.close()
    arena.target.hear()
    return answered, ports


def exchanges(arena: Arena) -> None:
    """
    Play C{holepunch.exchanges}.
    """
    relay, traps = Relay(arena), Traps()
    try:

        def lure(stream: Stream) -> None:
            stream.send(delimited(toDial(traps.addresses)))
            stream.patience(5.0)
            stream.message()
            kinds, dialed, words = traps.caught(6.0)
            wrong = {each for each in kinds if each != "a third party"}
            arena.expect("no dial inside", not wrong, wrong)
            arena.expect(
                f"at most {DIALED} addresses dialed", len(dialed) <= DIALED, len(dialed)
            )
            arena.expect("waiting for the other side", len(words) <= HEADER, words)
            seen.append(len(dialed))

        seen: list[int] = []
        count = _punched(relay, [], lure, LONG)
        arena.expect("1 to 3 exchanges", 1 <= count <= 3, count)
        arena.expect("the third party reached", max(seen, default=0) > 0)
        # What identify names is dialed, too: the same filter.
        named = traps.addresses[:3] + traps.addresses[-3:]
        _punched(relay, named, lambda stream: None, 3.0)
        kinds, _, _ = traps.caught(1.0)
        arena.expect("no dial of what identify names inside", not kinds, kinds)
        for name, data in (
            ("5 KiB", delimited(bytes(5000))),
            ("garbage", delimited(os.urandom(60))),
            ("a SYNC", delimited(field(1, SYNC))),
        ):
            ends: list[str] = []

            def bad(stream: Stream, data: bytes = data, ends: list[str] = ends) -> None:
                stream.send(data)
                stream.patience(3.0)
                try:
                    stream.message()
                except Ended as end:
                    ends.append(end.how)

            _punched(relay, [], bad, 4.0)
            arena.expect(f"an end for {name}", bool(ends))
        _wrongSide(arena, relay)
        answered, ports = _asking(arena, relay, traps)
        arena.expect("at most 5 exchanges answered", answered <= 5, answered)
    finally:
        traps.close()
    relay.close()
    arena.newcomer()
    arena.saw(
        f"of 66 addresses {max(seen)} dialed, none inside or below port 1024;"
        f" {count} exchanges; 200 of the wrong side reset; as the side that is asked,"
        f" {answered} of 8 answered, {len(ports)} addresses dialed"
    )


def paths(arena: Arena) -> None:
    """
    Play C{relay.hostile_path}.
    """
    relay = Relay(arena)
    node = arena.target
    failed = 0

    def impostor(stream: Stream) -> None:
        multistream.answer(stream, noise.PROTOCOL_ID)
        noise.accept(stream, Identity(), ())
        stream.patience(5.0)
        stream.some()

    def flipped(stream: Stream) -> None:
        multistream.answer(stream, noise.PROTOCOL_ID)
        handshake = noise.Handshake(False)
        handshake.firstReceived(noise.read(stream))
        message = bytearray(noise.frame(handshake.second(b"payload")))
        message[40] ^= 1
        stream.send(bytes(message))

    def cut(stream: Stream) -> None:
        multistream.answer(stream, noise.PROTOCOL_ID)
        noise.read(stream)
        stream.send(b"\x01\x00" + bytes(20))
        stream.finish()

    lies: dict[str, Callable[[Stream], None]] = {
        "another peer": impostor,
        "a flipped bit": flipped,
        "a cut": cut,
        "garbage": lambda stream: stream.send(os.urandom(3000)),
        "plaintext": lambda stream: stream.send(
            multistream.HEADER + multistream.message("/plaintext/2.0.0")
        ),
        "a reset": lambda stream: stream.close(),
        "silence": lambda stream: None,
    }
    for name, lie in lies.items():
        began = time.monotonic()
        stream = relay.asked(Identity())
        with contextlib.suppress(Ended, ValueError):
            lie(stream)
        answer = node.hear()
        seconds = time.monotonic() - began
        arena.expect(f"no connection through {name}", not answer["ok"], answer)
        arena.expect(f"an end of {name} within 20 s", seconds < 20, f"{seconds:.0f} s")
        failed += not answer["ok"]
    arena.expect(
        "no peer but the relay, the honest one",
        node.ask("state")["connections"] == 2,
        node.ask("state")["connections"],
    )
    pingOn(relay.session)
    relay.close()
    arena.saw(f"of {len(lies)} paths {failed} failed before any protocol was spoken")
