# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on the lookups of a DHT by many servers, and on its records.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

from tests.attacks.arena import Arena, within
from tests.attacks.raw import multistream, noise, yamux
from tests.attacks.raw.identity import Identity, base58, multiaddr
from tests.attacks.raw.ipns import nameOf, record
from tests.attacks.raw.peer import IDENTIFY, Peer, pingOn
from tests.attacks.raw.pipe import TCP, Ended
from tests.attacks.raw.serving import Server, identified, serve
from tests.attacks.raw.wire import delimited, field, fields
from tests.attacks.raw.yamux import Session, Stream
from tests.attacks.rows.places import NEWCOMER, PLACES, PUBLIC
from tests.attacks.rows.routers import LOOKUP, enter, found, named
from tests.attacks.rows.routing import FIND, GET, KAD, PROVIDERS, PUT

__all__ = ["endless", "rollback", "sybils"]

#: The most peers that a lookup asks.
ASKED = 256

#: The number of the nearest servers that a lookup wants.
NEAREST = 20

#: The servers of one network in a table.
SHARE = 3


def placeOf(key: bytes) -> int:
    """
    Return the place of a key.
    """
    return int.from_bytes(hashlib.sha256(key).digest(), "big")


def keyOf(request: bytes) -> bytes:
    """
    Return the key of a request.
    """
    key = dict(fields(request))[2]
    assert isinstance(key, bytes)
    return key


class _Swarm:
    """
    Servers that listen at many places, each nearer to any key than those that it was
    named by.

    @ivar identities: who they are.
    """

    def __init__(self, size: int, wait: float) -> None:
        """
        @param wait: the seconds that each takes to answer.
        """
        self.identities = [Identity() for _ in range(size)]
        self._wait = wait
        self._selector = selectors.DefaultSelector()
        self._places: dict[bytes, bytes] = {}
        for number, each in enumerate(self.identities):
            server = socket.create_server((PLACES[number % len(PLACES)], 0))
            self._places[each.peerID] = multiaddr(*server.getsockname())
            self._selector.register(server, selectors.EVENT_READ, each)
        self._pipes: list[TCP] = []
        self._open = True
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def answer(self, identity: Identity | None, request: bytes) -> bytes:
        """
        Name the three servers that are a little nearer to the key.
        """
        time.sleep(self._wait)
        place = placeOf(keyOf(request))
        order = sorted(
            self.identities, key=lambda each: -(placeOf(each.peerID) ^ place)
        )
        first = 0 if identity is None else order.index(identity) + 1
        return found(
            *(
                named(each, self._places[each.peerID])
                for each in order[first : first + 3]
            )
        )

    def _accept(self) -> None:
        while self._open:
            for key, _ in self._selector.select(0.2):
                server = key.fileobj
                assert isinstance(server, socket.socket)
                pipe = TCP(server.accept()[0])
                self._pipes.append(pipe)
                Thread(target=self._serve, args=(pipe, key.data), daemon=True).start()

    def _serve(self, pipe: TCP, identity: Identity) -> None:
        def respond(stream: Stream) -> None:
            stream.send(self.answer(identity, stream.message()))
            stream.finish()

        about = identified([KAD], (), f1=identity.publicKey)
        with suppress(Ended):
            multistream.answer(pipe, noise.PROTOCOL_ID)
            secure = noise.accept(pipe, identity, (yamux.PROTOCOL_ID,))
            if yamux.PROTOCOL_ID not in secure.muxers:
                multistream.answer(secure, yamux.PROTOCOL_ID)
            session = Session(secure, initiator=False)
            serve(session, {IDENTIFY: about, KAD: respond}, LOOKUP)
        pipe.close()

    def close(self) -> None:
        """
        Listen no longer, and hang up.
        """
        self._open = False
        self._thread.join()
        for each in self._pipes:
            each.close()
        for key in list(self._selector.get_map().values()):
            server = key.fileobj
            assert isinstance(server, socket.socket)
            server.close()
        self._selector.close()


def endless(arena: Arena) -> None:
    """
    Play C{dht.endless}.
    """
    swarm = _Swarm(400, 0.05)
    address = (PUBLIC, arena.address[1])
    first = Server(address, KAD, lambda request: swarm.answer(None, request), PLACES[0])
    enter(arena, first)
    looked = arena.target.ask("lookup", os.urandom(34).hex())
    arena.expect(f"{ASKED} peers at most", looked["asked"] <= ASKED, looked["asked"])
    arena.expect("led a long way", looked["asked"] >= ASKED // 2, looked["asked"])
    arena.expect("an end in time", looked["seconds"] < LOOKUP, looked["seconds"])
    arena.newcomer(NEWCOMER)
    arena.saw(
        f"of {len(swarm.identities)} peers {looked['heard']} heard of,"
        f" {looked['asked']} asked: {looked['ending']}"
    )
    first.close()
    swarm.close()


class _Honest:
    """
    Servers that name each other, and the provider of a key.
    """

    def __init__(self, arena: Arena, places: Sequence[str]) -> None:
        self.provider = Identity()
        who = {Identity(): place for place in places for _ in range(SHARE)}
        self._named = {
            each.peerID: named(each, multiaddr(place, 4001))
            for each, place in who.items()
        }
        self.servers = [
            Server(arena.address, KAD, self.answer, place, identity=each)
            for each, place in who.items()
        ]

    def answer(self, request: bytes) -> bytes:
        """
        Answer as a right server does.
        """
        place = placeOf(keyOf(request))
        nearest = sorted(self._named, key=lambda each: placeOf(each) ^ place)
        names = b"".join(self._named[each] for each in nearest[:NEAREST])
        if dict(fields(request)).get(1) == PROVIDERS:
            about = field(1, self.provider.peerID)
            about += field(2, multiaddr(PLACES[0], 4001))
            return delimited(field(1, PROVIDERS) + field(9, about) + names)
        return found(names)


def _near(key: bytes, count: int) -> list[Identity]:
    """
    Make ids whose places are near to a key: their first nine bits are its own.
    """
    place = placeOf(key)
    made: list[Identity] = []
    while len(made) < count:
        identity = Identity()
        if not (placeOf(identity.peerID) ^ place) >> 247:
            made.append(identity)
    return made


def _surround(
    arena: Arena, key: bytes, places: Sequence[str], each: int
) -> tuple[list[Server], list[Identity]]:
    """
    Have sybils near to a key join, who name each other and know no provider.
    """
    made = _near(key, each * len(places))
    names = b"".join(
        named(identity, multiaddr(places[number // each], 4001))
        for number, identity in enumerate(made)
    )

    def answer(request: bytes) -> bytes:
        kind = dict(fields(request)).get(1, 0)
        assert isinstance(kind, int)
        return delimited(field(1, kind) + names)

    servers = [
        Server(arena.address, KAD, answer, places[number // each], identity=identity)
        for number, identity in enumerate(made)
    ]
    for server in servers:
        server.asked.wait(20)
    return servers, made


def sybils(arena: Arena) -> None:
    """
    Play C{dht.sybils}.
    """
    honest = _Honest(arena, PLACES[:7])
    # Of each network, two or three have room.
    enough = within(20, lambda: len(arena.target.ask("table")["peers"]) >= 14)
    arena.expect("14 honest servers in the table", enough)
    for _ in range(8):
        looked = arena.target.ask("lookup", os.urandom(34).hex())
    arena.expect("no alarm before", not looked["alarms"], looked)
    provider = base58(honest.provider.peerID)
    key = b"\x12\x20" + os.urandom(32)
    few, _ = _surround(arena, key, PLACES[7:8], 8)
    asked = arena.target.ask("providers", key.hex())
    arena.expect("the provider found beside 8 sybils", provider in asked["peers"])
    for each in few:
        each.close()
    other = b"\x12\x20" + os.urandom(32)
    many, made = _surround(arena, other, PLACES[7:], SHARE)
    looked = arena.target.ask("lookup", other.hex())
    taken = sum(base58(each.peerID) in looked["nearest"] for each in made)
    arena.expect("an alarm", looked["alarms"] > 0, looked)
    asked = arena.target.ask("providers", other.hex())
    arena.expect("the provider found all the same", provider in asked["peers"], taken)
    arena.saw(
        "8 sybils of one network around a key keep no provider from being found;"
        f" {taken} of {len(made)} sybils of seven networks among the nearest raise the"
        " alarm, and the provider is found"
    )
    for each in (*many, *honest.servers):
        each.close()


def _put(session: Session, key: bytes, value: bytes) -> bool:
    """
    Store a value.

    @return: whether it was taken.
    """
    stream = session.open(KAD)
    record_ = field(1, key) + field(2, value)
    stream.send(delimited(field(1, PUT) + field(2, key) + field(3, record_)))
    try:
        stream.message()
    except Ended:
        return False
    stream.close()
    return True


def _get(session: Session, key: bytes) -> bytes:
    """
    Ask the node for a value.

    @return: empty if it has none.
    """
    stream = session.open(KAD)
    stream.send(delimited(field(1, GET) + field(2, key)))
    answer = dict(fields(stream.message())).get(3, b"")
    stream.close()
    assert isinstance(answer, bytes)
    value = dict(fields(answer)).get(2, b"")
    assert isinstance(value, bytes)
    return value


def rollback(arena: Arena) -> None:
    """
    Play C{dht.rollback}.
    """
    session = Peer(source=NEWCOMER).dial(arena.address)
    name = Identity()
    key = nameOf(name)
    new, old = record(name, 5, 3600), record(name, 3, 3600)
    arena.expect("a record taken", _put(session, key, new))
    for what, value in (
        ("an older one", old),
        ("another's", record(Identity(), 9, 3600)),
        ("an expired one", record(name, 9, -60)),
    ):
        arena.expect(f"{what} refused", not _put(session, key, value))
        arena.expect("the record as before", _get(session, key) == new)
    brief = Identity()
    arena.expect("a brief one taken", _put(session, nameOf(brief), record(brief, 1, 3)))
    arena.expect(
        "no expired one given", within(10, lambda: not _get(session, nameOf(brief)))
    )
    # A server that was rolled back, as those of rust and js can be.
    corrected: list[bytes] = []

    def outdated(request: bytes) -> bytes:
        if dict(fields(request)).get(1, 0) == PUT:
            corrected.append(request)
            return delimited(request)
        held = field(1, key) + field(2, old)
        return delimited(field(1, GET) + field(3, held))

    server = Server(arena.address, KAD, _either(outdated), PLACES[1])
    enter(arena, server)
    value = arena.target.ask("value", key.hex())["value"]
    arena.expect("the newest value", value == new.hex(), value)
    arena.expect("the old one corrected", within(10, lambda: bool(corrected)))
    arena.expect("by the newest", new in b"".join(corrected))
    pingOn(session)
    arena.saw(
        "3 records that are older, foreign or expired refused, none served after its"
        " end, a server with an old one corrected"
    )
    session.close()
    server.close()


def _either(values: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """
    Answer lookups of peers with a name, so that the node takes us in.
    """
    other = named(Identity(), multiaddr(PLACES[2], 4001))

    def answer(request: bytes) -> bytes:
        kind = dict(fields(request)).get(1, 0)
        return found(other) if kind == FIND else values(request)

    return answer
