# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.tunnels}: the options of C{twist libp2p}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.identity import Identity
from twisted_libp2p.tap import Failed, Options, makeService
from twisted_libp2p.tunnel.door.places import Place
from twisted_libp2p.tunnel.door.request import Wanted
from twisted_libp2p.tunnel.door.service import Door
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.tunnel.tunnel import Tunnel

PEER = Identity.generate().peerID
SERVE = ("--serve", "/a=tcp:localhost:80")


class TunnelOptionsTests(SynchronousTestCase):
    """
    The command line.
    """

    def make(self, *arguments: str) -> Any:
        """
        Make the node.
        """
        options = Options()
        options.parseOptions(("--no-listen", *arguments))
        return makeService(options, MemoryReactorClock())

    def test_services(self) -> None:
        """
        Each option is a service; a paired peer has a name.
        """
        folder = self.mktemp()
        PeerBook(os.path.join(folder, "peers")).add(PEER, "home")
        node = self.make(
            *SERVE, "--name-peer", "/a=http", "--allow-for", "/a=@paired",
            "--data", folder, "--open", "tcp:1=home/b", "--open", f"tcp:2={PEER}/b",
        )  # fmt: skip
        (served,) = (each for each in node.services if isinstance(each, ServedPort))
        self.assertEqual(
            (served.protocol, served.description), ("/a", "tcp:localhost:80")
        )
        tunnels = [each for each in node.services if isinstance(each, Tunnel)]
        self.assertEqual(
            [(each.local, each.peer, each.protocol) for each in tunnels],
            [("tcp:1", PEER, "/b"), ("tcp:2", PEER, "/b")],
        )

    def test_door(self) -> None:
        """
        The door leads to paired peers, and to the protocols of ports.
        """
        folder = self.mktemp()
        PeerBook(os.path.join(folder, "peers")).add(PEER, "home")
        node = self.make(
            "--data", folder, "--socks", "tcp:1080", "--socks-port", "81=/b"
        )
        (door,) = (each for each in node.services if isinstance(each, Door))
        self.assertEqual(door.places.find(Wanted("home.p2p", 81)), Place(PEER, "/b"))
        self.assertEqual(
            door.places.find(Wanted("home.p2p", 80)), Place(PEER, "/http/1.1")
        )

    def test_rates(self) -> None:
        """
        A tunnel may have a limit.
        """
        node = self.make(
            *SERVE, "--rate-for", "/a=500k",
            "--open", f"tcp:1:interface=127.0.0.1={PEER}/b",
            "--rate-for", "tcp:1:interface=127.0.0.1=2M", "--open", f"tcp:2={PEER}/b",
        )  # fmt: skip
        throttles = [
            each.traffic.throttle
            for each in node.services
            if isinstance(each, ServedPort | Tunnel)
        ]
        self.assertEqual(
            [each and each.perSecond for each in throttles], [500_000, 2_000_000, None]
        )

    def test_idle(self) -> None:
        """
        A tunnel, or the door, may end its idle streams.
        """
        node = self.make(
            *SERVE, "--idle-for", "/a=600", "--open", f"tcp:2={PEER}/b",
            "--socks", "tcp:1080", "--idle-for", "tcp:1080=30",
        )  # fmt: skip
        rules = {
            type(each): each.traffic.idle
            for each in node.services
            if isinstance(each, ServedPort | Tunnel | Door)
        }
        self.assertEqual(
            {kind: rule and rule.seconds for kind, rule in rules.items()},
            {ServedPort: 600, Tunnel: None, Door: 30},
        )

    def test_wrong(self) -> None:
        """
        A mistake is one line, which has the value.
        """
        groups = self.mktemp()
        Path(groups).write_text("family = 3")
        for arguments, word in (
            (("--open", "tcp:1"), "tcp:1: it has to be ENDPOINT=PEER/PROTOCOL"),
            (("--open", "tcp:1=x/b"), "'x' is no peer id"),
            (("--open", f"1={PEER}/b"), "1 is no server endpoint"),
            (("--open", f"tcp:0={PEER}/b") * 2, "there is this tunnel already"),
            (("--name-peer", "/a=http"), "it needs --serve /a=ENDPOINT"),
            ((*SERVE, "--name-peer", "/a=ftp"), "choose from proxy, http"),
            ((*SERVE, "--name-peer", "/a"), "has to be PROTOCOL=http or proxy"),
            ((*SERVE, "--allow-for", "/b=@paired"), "it needs --serve /b=ENDPOINT"),
            ((*SERVE, "--allow-for", "/a=@paired"), "@paired needs --data FOLDER"),
            ((*SERVE, "--allow-for", "/a=me"), "'me' is no peer id"),
            (("--socks", "1080"), "1080 is no server endpoint"),
            (("--socks-port", "81=/a"), "it needs --socks ENDPOINT"),
            (("--socks", "tcp:1", "--socks-port", "81"), "to be PORT=PROTOCOL"),
            (("--rate-for", "/a=1k"), "there is no --serve /a=ENDPOINT"),
            ((*SERVE, "--rate-for", "/a=0"), "has to be PROTOCOL=BYTES"),
            ((*SERVE, "--rate-for", "/a"), "has to be PROTOCOL=BYTES"),
            (("--idle-for", "/a=9"), "there is no --serve /a=ENDPOINT"),
            ((*SERVE, "--idle-for", "/a=0"), "has to be PROTOCOL=SECONDS"),
            (("--groups", groups), "family has to be a list of peer ids"),
        ):
            error = str(self.assertRaises(Failed, self.make, *arguments))
            self.assertIn(word, error)
            self.assertNotIn("\n", error)
