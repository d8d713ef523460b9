# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Offer the files of this folder; fetch one, and go on where it was interrupted:

    python files.py offer LISTEN             python files.py fetch ADDRESS NAME
"""

import hashlib
import json
import os
import sys
from typing import Any

from twisted.internet.error import ConnectionClosed
from twisted.internet.task import deferLater, react

from twisted_libp2p import Connection, Identity, Libp2pError, Node, Talk


def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def send(talk: Talk) -> None:
    name, offset = json.loads(await talk.readLine())
    with open(os.path.basename(name), "rb") as file:
        file.seek(offset)
        while data := file.read(65536):
            await talk.write(data)


def describe(connection: Connection, request: bytes) -> bytes:
    name = os.path.basename(request.decode())
    return json.dumps([os.path.getsize(name), digest(name)]).encode()


async def offer(reactor: Any, listen: str) -> None:
    # Everything in this folder is offered, but not what is in the folders below it.
    os.makedirs("keys", mode=0o700, exist_ok=True)
    async with Node(reactor, Identity.fromFile("keys/files.key"), listen) as node:
        node.serve("/files/1.0.0", send)
        node.answer("/about/1.0.0", describe)
        print("listening on", node.addresses[0], flush=True)
        await node.whenStopped()


async def fetch(reactor: Any, address: str, name: str) -> None:
    async with Node(reactor) as node:
        size, known = json.loads(await node.ask(address, "/about/1.0.0", name.encode()))
        with open(name + ".part", "ab") as part:
            while part.tell() < size:
                print("asking from byte", part.tell(), flush=True)
                try:
                    async with node.open(address, "/files/1.0.0") as talk:
                        request = json.dumps([name, part.tell()])
                        await talk.write(request.encode() + b"\n")
                        async for data in talk:
                            part.write(data)
                            print(f"\r{part.tell() / size:6.1%}", end="", flush=True)
                except (Libp2pError, ConnectionClosed) as error:
                    print("not yet:", error)
                    await deferLater(reactor, 1)
    good = digest(name + ".part") == known
    print("\nchecksum", "good" if good else "BAD")
    os.rename(name + ".part", name if good else name + ".bad")


if __name__ == "__main__":
    tasks: dict[str, Any] = {"offer": offer, "fetch": fetch}
    react(tasks[sys.argv[1]], sys.argv[2:])
