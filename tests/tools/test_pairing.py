# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.pairing}: the programs.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import TWIST, ProgramTestCase
from tests.test_main import MODULE
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.tools import pairing


class OptionTests(SynchronousTestCase):
    """
    The command lines.
    """

    def test_wrong(self) -> None:
        """
        A mistake is a line.
        """
        for arguments, word in (
            (["accept"], "TICKET is missing: libp2p accept [options] TICKET"),
            (["accept", "x"], "not a ticket: it begins with libp2p1-"),
            (["accept", "libp2p1-AAAA"], "the ticket is not complete"),
            (["invite", "x"], "there is no place for 'x'"),
            (["status", "--jsn"], "there is no option --jsn"),
        ):
            error = self.assertRaises(UsageError, ToolOptions().parseOptions, arguments)
            self.assertIn(word, str(error))


#: The state of a node with something of everything.
STATE: dict[str, Any] = {
    "peer": "x",
    "addresses": ["/ip4/192.0.2.1/tcp/1"],
    "paired": {"y": "laptop"},
    "connections": 1,
    "peers": [
        {"peer": "y", "name": "laptop", "address": "", "relayed": True, "streams": 0}
    ],
    "tunnels": [],
    "served": [
        {
            "protocol": "/ssh",
            "endpoint": "tcp:22",
            "open": 1,
            "opened": 2,
            "failed": 0,
            "received": 3,
            "sent": 4,
            "error": "refused",
        }
    ],
    "doors": [],
    "certificates": [
        {
            "name": "*.x.libp2p.direct",
            "expires": None,
            "state": "idle",
            "due": None,
            "text": "none yet, asked for now",
            "failures": 3,
            "error": "no luck",
        }
    ],
}


class StatusTests(SynchronousTestCase):
    """
    The lines of C{libp2p status}.
    """

    def lines(self, state: dict[str, Any]) -> list[str]:
        """
        Print the state of a node.

        @return: the lines.
        """

        async def ask(*arguments: object) -> dict[str, Any]:
            return state

        self.patch(pairing, "ask", ask)
        shown: list[str] = []
        options = SimpleNamespace(
            socket=lambda: "path", show=lambda lines, **facts: shown.extend(lines)
        )
        done = Deferred.fromCoroutine(pairing.status(None, options))
        self.successResultOf(done)
        return [each.strip() for each in shown]

    def test_lines(self) -> None:
        """
        Each part of the state has its lines.
        """
        self.assertEqual(
            self.lines(STATE),
            [
                "peer  x",
                "listens on  /ip4/192.0.2.1/tcp/1",
                "served  /ssh by tcp:22: 1 open of 2, 3 bytes in, 4 out; refused",
                "certificate  *.x.libp2p.direct: none yet, asked for now",
                "certificate  failures: 3, the last one: no luck",
                "paired  y laptop",
                "connected  y laptop by a relay",
            ],
        )

    def test_otherVersion(self) -> None:
        """
        A part that a node of another version lacks, or has in another form, is unknown;
        the others are shown.
        """
        names = {
            "peer": "peer",
            "addresses": "listens on",
            "served": "served",
            "tunnels": "tunnel",
            "doors": "door",
            "certificates": "certificate",
            "paired": "paired",
            "peers": "connected",
        }
        self.assertEqual({*STATE} - {*names}, {"connections"})
        for key, name in names.items():
            lacking = {**STATE}
            del lacking[key]
            wrong: tuple[Any, ...] = () if key in ("peer", "addresses") else (5, [{}])
            for state in (lacking, *({**STATE, key: each} for each in wrong)):
                shown = self.lines(state)
                unknown = [each for each in shown if "unknown" in each]
                self.assertEqual(
                    unknown,
                    [f"{name}  unknown: the node has another version of this package"],
                )
                other = "peer  x" if key == "paired" else "paired  y laptop"
                self.assertIn(other, shown)


class PairingTests(ProgramTestCase):
    """
    A node at home, and a laptop.
    """

    async def test_paired(self) -> None:
        """
        The laptop is refused, gets a ticket, and is let in under its own key; a second
        user of the ticket is not.
        """
        code, _, error = await self.execute(*MODULE, "status", "--data", "home")
        self.assertEqual(code, 1)
        self.assertIn("no node answers at home/control.sock", error)
        # Nobody listens on port 1: the stream of a listed peer is reset otherwise.
        home = self.start(
            *TWIST, "--log-format=text", "libp2p",
            "--listen", "/ip4/127.0.0.1/tcp/0", "--data", "home",
            "--serve", "/closed=tcp:127.0.0.1:1", "--allow-for", "/closed=@paired",
        )  # fmt: skip
        address = await home.says(r"listening on (/ip4\S+)")
        await home.says(r"(control socket)")

        async def opened() -> str:
            _, _, reason = await self.execute(
                *MODULE, "pipe", "-i", "laptop/node.key", address, "/closed"
            )
            return reason

        code, _, error = await self.execute(*MODULE, "keygen", "thief.key")
        self.assertEqual(code, 0, error)
        code, ticket, error = await self.execute(*MODULE, "invite", "-d", "home")
        self.assertEqual(code, 0, error)
        for folder, expected in (("laptop", 0), ("thief", 1)):
            code, out, error = await self.execute(
                *MODULE, "accept", ticket.strip(), "-d", folder, "--name", folder
            )
            self.assertEqual(code, expected, error)
        self.assertIn("the ticket was used already, by 12D3KooW", error)
        self.assertNotIn("GATED", await opened())
        _, _, error = await self.execute(
            *MODULE, "pipe", "-i", "thief.key", address, "/closed"
        )
        self.assertIn("GATED", error)
        code, out, error = await self.execute(*MODULE, "status", "--json", "-d", "home")
        self.assertEqual(code, 0, error)
        status = json.loads(out)
        self.assertEqual(status["addresses"], [address])
        self.assertEqual(list(status["paired"].values()), ["laptop"])
        (served,) = status["served"]
        self.assertEqual((served["protocol"], served["failed"]), ("/closed", 1))
        await home.stop()
