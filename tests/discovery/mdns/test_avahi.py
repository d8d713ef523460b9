# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of multicast DNS on a machine that has avahi.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from unittest import SkipTest

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from tests.processes import ROOT, Program
from tests.tun import NAMESPACE, missing

#: The daemon is not in the path of users.
_AVAHI = "/usr/sbin:/usr/bin:/sbin:/bin"


class AvahiTests(TestCase):
    """
    Two nodes and avahi on one machine, in a network of their own.
    """

    timeout = 600

    async def test_beside(self) -> None:
        """
        The nodes find each other although avahi listens on the same port, and avahi
        understands their answers.
        """
        for each in ("avahi-daemon", "avahi-browse", "dbus-daemon"):
            if shutil.which(each, path=_AVAHI) is None:
                raise SkipTest(f"there is no {each}")
        reason = missing()
        if reason is not None:
            raise SkipTest(reason)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        command = [*NAMESPACE, "--mount", "--"]
        command += [sys.executable, "-m", "tests.discovery.mdns.beside", str(folder)]
        program = Program()
        reactor.spawnProcess(
            program,
            command[0],
            command,
            {"PATH": _AVAHI, "PYTHONPATH": str(ROOT)},
        )
        self.addCleanup(program.stop, "KILL")
        self.assertEqual(await program.ends(), 0, program.err.decode())
        told = json.loads(program.out.splitlines()[-1])
        self.assertEqual(told["found"], list(reversed(told["nodes"])))
        for each in told["nodes"]:
            self.assertIn(f"/p2p/{each}", told["browsed"])
