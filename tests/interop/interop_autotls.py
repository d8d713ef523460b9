# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoTLS with Pebble, an authority by its authors, and a broker on go-libp2p that proves
peer ids and dials back as that of C{libp2p.direct} does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from stat import S_IMODE

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.utils import getProcessOutput

from tests.interop.process import ForeignPeer, Line
from tests.processes import ROOT, TWIST, Program
from tests.transport.websocket.authority import Authority
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

Command = Callable[[str], list[str]]

#: Seconds for which the certificates are valid.
LIFE = "7776000"


class World:
    """
    An authority and a broker.

    @ivar broker: the process of the broker.
    @ivar options: the options of a node that uses them.
    @ivar roots: a PEM file of the root of the certificates.
    """

    def __init__(self, broker: ForeignPeer, options: list[str], roots: Path) -> None:
        self.broker = broker
        self.options = options
        self.roots = roots


@asynccontextmanager
async def world(command: Command, folder: Path) -> AsyncIterator[World]:
    """
    Start both.
    """
    authority = Authority(folder / "web")
    certificate = str(authority.server("localhost"))
    broker = ForeignPeer.start(reactor, command("go"), "broker", certificate)
    try:
        place = await broker.line()
        pebble = ForeignPeer.start(
            reactor, command("pebble"), certificate, place["dns"], LIFE
        )
        try:
            hello: Line = await pebble.line()
            roots = folder / "pebble.pem"
            roots.write_text(hello["root"])
            options = [
                *("--autotls-directory", hello["directory"]),
                *("--autotls-broker", place["url"]),
                *("--tls-roots", str(authority.roots)),
            ]
            yield World(broker, options, roots)
        finally:
            await pebble.stop()
    finally:
        await broker.stop()


@asynccontextmanager
async def daemon(folder: Path, *options: str) -> AsyncIterator[Program]:
    """
    Run C{twist libp2p --autotls}.
    """
    program = Program()
    listen = ("--listen", "/ip4/127.0.0.1/tcp/0")
    argv = [sys.executable, *TWIST, "--log-format=text", "libp2p", "--autotls"]
    argv += ["--data", str(folder / "data"), *listen, *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reactor.spawnProcess(program, argv[0], argv, environment, str(folder))
    try:
        yield program
    finally:
        await program.stop()


async def dialed(program: Program, folder: Path, roots: Path) -> None:
    """
    Dial a node at its secure WebSocket, by the name in its certificate.
    """
    port = re.search(rb"listening on /ip4/127.0.0.1/tcp/(\d+)/p2p", program.out)
    assert port is not None
    peer = Identity.fromFile(folder / "data" / "node.key").peerID
    name = f"127-0-0-1.{peer.toCID('base36')}.libp2p.direct"
    place = Multiaddr(f"/ip4/127.0.0.1/tcp/{port[1].decode()}/tls/sni/{name}/ws")
    secure = SecureWebSockets(roots)
    async with Node(reactor, transports=[secure]) as node:
        connection = await node.connect(place.withPeer(peer))
        assert connection.security == "/noise"
        told = await node.identify(peer)
        assert place in told.listenAddresses
        await node.ping(peer)
        await connection.close()


async def status(folder: Path) -> str:
    """
    Return what C{libp2p status} prints about a node.
    """
    argv = ["-m", "twisted_libp2p", "status", "--data", str(folder / "data")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = await getProcessOutput(sys.executable, argv, environment, reactor=reactor)
    return str(printed, "utf-8")


@pytest_twisted.ensureDeferred
async def test_certificate(command: Command, tmp_path: Path) -> None:
    """
    A node gets a certificate, and can be dialed by its name from then on.  After a
    restart it uses the stored certificate, and asks nobody.
    """
    async with (
        world(command, tmp_path) as found,
        daemon(tmp_path, *found.options) as program,
    ):
        await program.says(r"the certificate for (\S+) is in use for 90 days")
        published = await found.broker.event("published")
        printed = await status(tmp_path)
        assert re.search(r"\*\.\w+\.libp2p\.direct: valid until ", printed), printed
        assert published["agent"].startswith("twisted_libp2p/")
        await dialed(program, tmp_path, found.roots)
        for name in ("acme-account.key", "autotls.pem"):
            file = (tmp_path / "data" / name).stat()
            assert S_IMODE(file.st_mode) == 0o600
    async with daemon(tmp_path, *found.options) as program:
        await program.says(r"(listening on .*/tls/ws/p2p/)")
        await dialed(program, tmp_path, found.roots)


@pytest_twisted.ensureDeferred
async def test_refusal(command: Command, tmp_path: Path) -> None:
    """
    The broker refuses a peer that it cannot dial, and the reason is logged.
    """
    async with (
        world(command, tmp_path) as found,
        daemon(tmp_path, *found.options, "--allow", "10.9.8.7") as program,
    ):
        said = await program.says(r"(AutoTLS: no certificate.*next try)")
        assert "the broker answers with status 400: error testing addresses" in said
