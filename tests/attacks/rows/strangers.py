# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks by peers that nobody knows, on the places and the memories of those whom the
node knows.
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial

from tests.attacks.arena import Arena, Target, python, within
from tests.attacks.raw import multistream
from tests.attacks.raw.identity import base58, multiaddr
from tests.attacks.raw.peer import PUSH, Peer
from tests.attacks.raw.wire import delimited, field
from tests.attacks.raw.yamux import DATA, FIN, SYN, WINDOW, Session, frame
from tests.attacks.rows.connections import hold
from tests.attacks.rows.places import ATTACKER

__all__ = ["forgedAddresses", "inGrace", "rejoin"]

# The codes of protocols of addresses.
_IP6, _DNS, _DNS4, _DNS6, _TCP = 41, 53, 54, 55, 6


def inGrace(arena: Arena) -> None:
    """
    Play C{connmanager.strangers_in_grace}.
    """
    elders: dict[str, Session] = {}
    for _ in range(20):
        peer = Peer()
        elders[base58(peer.identity.peerID)] = peer.dial(arena.address)
    early = hold(elders, time.monotonic() + 62)
    arena.expect("kind to 20 peers", not early, f"{len(early)} closed")
    strangers: dict[str, Session] = {}
    for _ in range(200):
        peer = Peer()
        strangers[base58(peer.identity.peerID)] = peer.dial(arena.address)
    everybody = elders | strangers
    gone = hold(everybody, time.monotonic() + 25)
    lost = len(gone.keys() & elders.keys())
    arena.expect("true to those who have stayed", not lost, f"{lost} of 20 closed")
    arena.saw(f"{lost} of 20 elders and {len(gone) - lost} of 200 strangers closed")
    for session in everybody.values():
        session.close()


class _Counter:
    """
    Listens on all addresses of one port, and counts who comes.
    """

    def __init__(self) -> None:
        self.sockets = [socket.create_server(("0.0.0.0", 0), backlog=200)]
        self.port: int = self.sockets[0].getsockname()[1]
        if socket.has_ipv6:
            self.sockets.append(
                socket.create_server(("::1", self.port), family=socket.AF_INET6)
            )
        self.count = 0

    def close(self) -> None:
        """
        Listen no more.
        """
        for each in self.sockets:
            each.close()


def _count(counters: Iterable[_Counter], seconds: float) -> None:
    """
    Take whoever comes in that time, and hang up.
    """
    owners = {each: counter for counter in counters for each in counter.sockets}
    until = time.monotonic() + seconds
    while ready := select.select(owners, [], [], max(until - time.monotonic(), 0))[0]:
        for each in ready:
            each.accept()[0].close()
            owners[each].count += 1


def _tcp(port: int) -> bytes:
    return bytes((_TCP,)) + port.to_bytes(2, "big")


def _name(code: int, name: str, port: int) -> bytes:
    return bytes((code,)) + delimited(name.encode()) + _tcp(port)


def _ip6(text: str, port: int) -> bytes:
    return bytes((_IP6,)) + socket.inet_pton(socket.AF_INET6, text) + _tcp(port)


def _tell(session: Session, addresses: list[bytes]) -> None:
    """
    Push where one listens.
    """
    stream = session.take()[0]
    proposal = multistream.HEADER + multistream.message(PUSH)
    message = b"".join(field(2, each) for each in addresses)
    session.send(
        frame(WINDOW, SYN, stream, 0),
        frame(DATA, 0, stream, body=proposal + delimited(message)),
        frame(WINDOW, FIN, stream, 0),
    )
    session.synchronize()


def forgedAddresses(arena: Arena) -> None:
    """
    Play C{connection.forged_addresses}.
    """
    names = ("localhost", "LocalHost", "127.1", "127.0.0.1", "2130706433", "0x7f.1")
    # No more names than are resolved in one dial; few peers, or they are a crowd.
    groups: list[dict[str, Callable[[int], bytes]]] = [
        {
            each: partial(multiaddr, each)
            for each in ("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.0.0.1")
        },
        {
            each: partial(_ip6, each)
            for each in (
                "::1",
                "::",
                "::ffff:127.0.0.1",
                "::ffff:0.0.0.0",
                "::127.0.0.1",
                "64:ff9b::127.0.0.1",
            )
        },
        {f"dns4 {each}": partial(_name, _DNS4, each) for each in names},
        {f"dns {each}": partial(_name, _DNS, each) for each in names},
        {f"dns6 {each}": partial(_name, _DNS6, each) for each in ("localhost", "::1")},
    ]
    leaks: list[str] = []
    for group in groups:
        counters = {name: _Counter() for name in group}
        _reach(
            arena,
            [make(counters[name].port) for name, make in group.items()],
            counters.values(),
        )
        leaks += [name for name, counter in counters.items() if counter.count]
        for counter in counters.values():
            counter.close()
    arena.expect("deaf to forged addresses", not leaks, ", ".join(leaks))
    arena.saw(f"of {sum(map(len, groups))} addresses {len(leaks)} were dialed")
    # An address of the peer's own network is believed.
    honest = _Counter()
    _reach(arena, [multiaddr(ATTACKER, honest.port)], [honest])
    arena.expect("ready to dial where the peer is", honest.count > 0)
    honest.close()


def _reach(
    arena: Arena, addresses: list[bytes], counters: Collection[_Counter]
) -> None:
    """
    Tell addresses, hang up, and have the node connect by the peer's id.
    """
    peer = Peer(source=ATTACKER)
    session = peer.dial(arena.address)
    _tell(session, addresses)
    session.close()
    within(5, lambda: arena.target.open == 1)
    arena.target.tell("reach", base58(peer.identity.peerID))
    _count(counters, 2.0)
    arena.target.hear()


def rejoin(arena: Arena) -> None:
    """
    Play C{node.rejoin_strangers}.  It is another node that restarts.
    """
    friend = Target(python("tests.attacks.node"))
    trap = _Counter()
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "peers.sqlite")
        command = python("tests.attacks.node", "--peerstore", f"sqlite:{store}")
        node = Target(command)
        answer = node.ask("dial", friend.multiaddr)
        arena.expect("connected with the friend", answer["ok"], answer["error"])
        node.ask("part", friend.peerID)
        for number in range(40):
            session = Peer().dial(node.address)
            _tell(
                session,
                [multiaddr(f"127.1.{number}.{each}", trap.port) for each in range(64)],
            )
            session.close()
        within(5, lambda: node.open == 0)
        node.ask("stop")
        node.end()
        opened = friend.opened
        node = Target(command)
        back = within(5, lambda: friend.opened > opened)
        arena.expect("true to whom it has dialed", back)
        _count([trap], 3.0)
        dialed = trap.count
        # Eight addresses of each of sixteen peers.
        arena.expect("dialing strangers 128 times at most", dialed <= 128, dialed)
        arena.saw(
            f"the friend is {'' if back else 'not '}dialed, strangers {dialed} times"
        )
        node.end()
    friend.end()
    trap.close()
