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


class Room:
    def __init__(self, node: Node, nick: str, show: Any) -> None:
        self.nick, self.show, self.nicks = nick, show, dict[PeerID, str]()
        self.session = node.session("all", "/room/1.0.0", lambda: Member(self))
        node.events.subscribe(PeerDisconnected, self.gone)

    def say(self, text: str) -> None:
        for member in self.session.protocols.values():
            member.tell(say=text)

    def gone(self, event: PeerDisconnected) -> None:
        nick = self.nicks.pop(event.peer, None)
        if nick and event.ending != "closed":  # not when we leave
            self.show(f"* {nick} {'has left' if event.ending == 'left' else 'is gone'}")


class Member(LineOnlyReceiver):
    transport: Stream
    delimiter = b"\n"

    def __init__(self, room: Room) -> None:
        self.room = room

    def connectionMade(self) -> None:
        self.tell(hello=self.room.nick)

    def tell(self, **message: str) -> None:
        self.sendLine(json.dumps(message).encode())

    def lineReceived(self, line: bytes) -> None:
        message, peer = json.loads(line), self.transport.getPeer().peerID
        if "hello" in message:
            self.room.nicks[peer] = printable(message["hello"])
            self.room.show(f"* {self.room.nicks[peer]} is here")
        else:
            self.room.show(f"<{self.room.nicks[peer]}> {printable(message['say'])}")


class Keyboard(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, room: Room) -> None:
        self.room, self.closed = room, Deferred[None]()

    def lineReceived(self, line: bytes) -> None:
        self.room.say(line.decode())

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(None)


async def main(reactor: Any, nick: str, key: str, listen: str, *friends: str) -> None:
    async with Node(reactor, Identity.fromFile(key), listen) as node:
        room = Room(node, nick, lambda text: print(text, flush=True))
        for friend in friends:
            node.keep(friend, "room")
        print("listening on", node.addresses[0], flush=True)
        StandardIO(keyboard := Keyboard(room), reactor=reactor)
        await keyboard.closed


if __name__ == "__main__":
    react(main, sys.argv[1:])
