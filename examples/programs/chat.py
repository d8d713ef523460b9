# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A chat room for a few nodes: python chat.py NICK KEYFILE LISTEN [PEER-ADDRESS ...]
"""

import json
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.basic import LineOnlyReceiver

from twisted_libp2p import Identity, Node, PeerID, Stream
from twisted_libp2p.events import PeerDisconnected
from twisted_libp2p.printable import printable

nicks: dict[PeerID, str] = {}


class Member(LineOnlyReceiver):
    transport: Stream
    delimiter = b"\n"

    def __init__(self, nick: str) -> None:
        self.nick = nick

    def connectionMade(self) -> None:
        self.tell(hello=self.nick)

    def tell(self, **message: str) -> None:
        self.sendLine(json.dumps(message).encode())

    def lineReceived(self, line: bytes) -> None:
        message, peer = json.loads(line), self.transport.getPeer().peerID
        if "hello" in message:
            nicks[peer] = printable(message["hello"])
            print(f"* {nicks[peer]} is here", flush=True)
        else:
            print(f"<{nicks[peer]}> {printable(message['say'])}", flush=True)


class Keyboard(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, members: dict[PeerID, Any]) -> None:
        self.members, self.closed = members, Deferred[None]()

    def lineReceived(self, line: bytes) -> None:
        for member in self.members.values():
            member.tell(say=line.decode())

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(None)


def gone(event: PeerDisconnected) -> None:
    if nick := nicks.pop(event.peer, None):
        how = "has left" if event.ending == "left" else "is gone"
        print(f"* {nick} {how}", flush=True)


async def main(reactor: Any, nick: str, key: str, listen: str, *friends: str) -> None:
    async with Node(reactor, Identity.fromFile(key), listen) as node:
        room = node.session("all", "/room/1.0.0", lambda: Member(nick))
        node.events.subscribe(PeerDisconnected, gone)
        for friend in friends:
            node.keep(friend, "room")
        print("listening on", node.addresses[0], flush=True)
        keyboard = Keyboard(room.protocols)
        StandardIO(keyboard, reactor=reactor)
        await keyboard.closed


if __name__ == "__main__":
    react(main, sys.argv[1:])
