# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Two commands on two machines behind routers, in a laboratory.
"""

from __future__ import annotations

from tests.lab.homes import HomesTestCase
from tests.processes import TWIST
from twisted_libp2p.relay.service import RelayService


class CommandTests(HomesTestCase):
    """
    C{twist libp2p --serve --relay} behind one router, and C{libp2p pipe} behind
    another.
    """

    async def test_pipe(self) -> None:
        """
        The commands find each other through the relay, get a direct connection, and go
        on when the relay is gone.
        """
        await self.begin(RelayService())
        self.listen()
        server = self.program(
            self.hosts[0], *TWIST, "--log-format=text", "libp2p",
            "--serve", "/ssh/1.0.0=tcp:localhost:22", "--relay", self.place,
        )  # fmt: skip
        await self.pipe(await server.says(r"listening on (\S+/p2p-circuit/\S+)"))
