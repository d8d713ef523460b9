# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.transfer}: the programs.
"""

from __future__ import annotations

import io
import sys
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ProgramTestCase
from tests.test_main import MODULE
from twisted_libp2p.errors import TransferFailed
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.tools import transfer


class OptionTests(SynchronousTestCase):
    """
    The command lines.
    """

    def test_wrong(self) -> None:
        """
        A mistake is a line.
        """
        for arguments, word in (
            (["send", "x"], "PEER is missing: libp2p send [options] FILE PEER"),
            (["send", "x", "libp2p1-AAAA"], "the ticket is not complete"),
            (["receive", "x"], "there is no place for 'x'"),
            (["receive", "-f", "nowhere"], "there is no folder nowhere"),
        ):
            error = self.assertRaises(UsageError, ToolOptions().parseOptions, arguments)
            self.assertIn(word, str(error))


class Attempts:
    """
    A sender whose attempts end as they are told.
    """

    def __init__(self, *ends: tuple[int, Exception | None]) -> None:
        self.done = 0
        self._ends = list(ends)

    async def send(self, connection: object) -> None:
        """
        Send some bytes, and end with an error, or without one.
        """
        sent, error = self._ends.pop(0)
        self.done += sent
        if error is not None:
            raise error


class RetryTests(SynchronousTestCase):
    """
    Connections that are lost.
    """

    def send(self, *ends: tuple[int, Exception | None]) -> tuple[Deferred[None], str]:
        """
        Send a file.

        @return: the result, and the messages.
        """

        async def reach(*arguments: object) -> None:
            return None

        self.patch(transfer, "reach", reach)
        err = io.StringIO()
        self.patch(sys, "stderr", err)
        clock, sender, none = Clock(), Attempts(*ends), None
        working = Deferred.fromCoroutine(
            transfer.untilSent(
                clock, cast(Any, none), cast(Any, none), cast(Any, sender)
            )
        )
        clock.pump([transfer.PAUSE] * len(ends))
        return working, err.getvalue()

    def test_again(self) -> None:
        """
        It tries again as long as bytes arrive, and some times more.
        """
        lost = ConnectionLost()
        vain = [(0, lost)] * (transfer.ATTEMPTS - 1)
        working, said = self.send((5, lost), *vain, (5, lost), *vain, (5, None))
        self.successResultOf(working)
        self.assertEqual(said.count("trying again"), 2 * transfer.ATTEMPTS)
        working, _ = self.send((5, lost), *vain, (0, lost))
        self.failureResultOf(working, ConnectionLost)

    def test_first(self) -> None:
        """
        It does not try again if nothing was ever sent, or after a refusal.
        """
        working, _ = self.send((0, ConnectionLost()))
        self.failureResultOf(working, ConnectionLost)
        working, _ = self.send((5, TransferFailed("no")))
        self.failureResultOf(working, TransferFailed)


class TransferTests(ProgramTestCase):
    """
    Two machines.
    """

    async def test_sent(self) -> None:
        """
        A stranger is refused; the one with the ticket sends the file, which is there
        when the receiver ends.
        """
        (self.folder / "inbox").mkdir()
        data = bytes(range(256)) * 1000
        (self.folder / "film").write_bytes(data)
        receiver = self.start(
            *MODULE, "receive", "-f", "inbox", "-d", "home",
            "-l", "/ip4/127.0.0.1/tcp/0", "--json",
        )  # fmt: skip
        ticket = await receiver.says(r'{"ticket": "(libp2p1-\S+)"}')
        code, out, error = await self.execute(
            *MODULE, "send", "film", ticket, "-d", "away"
        )
        self.assertEqual((code, out), (0, "sent film, 256000 bytes\n"), error)
        self.assertIn("film: 100 % of 256.0 kB", error)
        await receiver.says(
            r'("name": "film", "size": 256000, "sha256": "[0-9a-f]{64}"})'
        )
        self.assertEqual(await receiver.ends(), 0)
        self.assertEqual((self.folder / "inbox" / "film").read_bytes(), data)
