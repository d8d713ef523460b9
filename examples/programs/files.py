# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Offer the files of this folder; fetch one, and go on where it was interrupted:

    python files.py offer LISTEN             python files.py fetch ADDRESS NAME
"""

import hashlib
import json
import os
import sys
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater, react
from twisted.protocols.basic import FileSender, LineOnlyReceiver

from twisted_libp2p import Connection, Identity, Libp2pError, Node, Stream


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Offer(LineOnlyReceiver):
    transport: Stream
    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        name, offset = json.loads(line)
        file = open(os.path.basename(name), "rb")
        file.seek(offset)
        sending = FileSender().beginFileTransfer(file, self.transport)
        sending.addBoth(lambda _: self.transport.loseConnection())


class Fetch(Protocol):
    transport: Stream

    def __init__(self, name: str, size: int) -> None:
        self.file, self.name, self.size = open(name + ".part", "ab"), name, size
        self.done: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        print("asking from byte", self.file.tell(), flush=True)
        self.transport.write(json.dumps([self.name, self.file.tell()]).encode() + b"\n")

    def dataReceived(self, data: bytes) -> None:
        self.file.write(data)
        print(f"\r{100 * self.file.tell() / self.size:5.1f} %", end="", flush=True)

    def connectionLost(self, reason: Any = None) -> None:
        self.file.close()
        self.done.callback(None)


def describe(connection: Connection, request: bytes) -> bytes:
    name = os.path.basename(request.decode())
    return json.dumps([os.path.getsize(name), digest(name)]).encode()


async def offer(reactor: Any, listen: str) -> None:
    # Everything in this folder is offered, but not what is in the folders below it.
    os.makedirs("keys", mode=0o700, exist_ok=True)
    async with Node(reactor, Identity.fromFile("keys/files.key"), listen) as node:
        node.serve("/files/1.0.0", Offer)
        node.answer("/about/1.0.0", describe)
        print("listening on", node.addresses[0], flush=True)
        await node.whenStopped()


async def fetch(reactor: Any, address: str, name: str) -> None:
    part = name + ".part"
    async with Node(reactor) as node:
        size, known = json.loads(await node.ask(address, "/about/1.0.0", name.encode()))
        while not os.path.exists(part) or os.path.getsize(part) < size:
            try:
                build = partial(Fetch, name, size)
                await (await node.openStream(address, "/files/1.0.0", build)).done
            except Libp2pError as error:
                print("not yet:", error)
                await deferLater(reactor, 1)
    good = digest(part) == known
    print("\nchecksum", "good" if good else "BAD")
    os.rename(part, name if good else name + ".bad")


if __name__ == "__main__":
    tasks: dict[str, Any] = {"offer": offer, "fetch": fetch}
    react(tasks[sys.argv[1]], sys.argv[2:])
