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


class StatusTests(SynchronousTestCase):
    """
    The lines of C{libp2p status}.
    """

    def lines(self, **certificate: Any) -> list[str]:
        """
        Print the state of a node with a certificate.

        @return: the lines about it.
        """
        facts = {
            "name": "*.x.libp2p.direct",
            "expires": None,
            "state": "idle",
            "due": None,
            "failures": 0,
            "error": "",
            **certificate,
        }
        state: dict[str, Any] = dict.fromkeys(
            ("addresses", "served", "tunnels", "doors", "peers"), ()
        )
        state.update(peer="x", paired={}, certificates=[facts])

        async def ask(*arguments: object) -> dict[str, Any]:
            return state

        self.patch(pairing, "ask", ask)
        shown: list[str] = []
        options = SimpleNamespace(
            socket=lambda: "path", show=lambda lines, **facts: shown.extend(lines)
        )
        done = Deferred.fromCoroutine(pairing.status(None, options))
        self.successResultOf(done)
        return [each.strip() for each in shown if "certificate" in each]

    def test_certificate(self) -> None:
        """
        The certificate of AutoTLS has its name, its end, the next request, and the last
        failure.
        """
        name = "certificate  *.x.libp2p.direct"
        for facts, text in (
            ({}, "none yet, no address that can be dialed"),
            ({"state": "asking"}, "none yet, asked for now"),
            (
                {"state": "waiting", "due": 1_800_000_000.0},
                "none yet, the next request 2027-01-15 08:00 UTC",
            ),
            (
                {"state": "waiting", "due": 0.0, "expires": 1_800_000_000.0},
                "valid until 2027-01-15 08:00 UTC, the next request 1970-01-01 00:00"
                " UTC",
            ),
        ):
            self.assertEqual(self.lines(**facts), [f"{name}: {text}"])
        _, failure = self.lines(failures=3, error="no luck")
        self.assertEqual(failure, "certificate  failures: 3, the last one: no luck")


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
