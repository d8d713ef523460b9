# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The unit of systemd in C{examples/systemd}.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.tap import Options

UNIT = Path(__file__).parents[2] / "examples" / "systemd" / "libp2p.service"

SOCKET = UNIT.with_suffix(".socket")

#: The worst grade, in tenths, that C{systemd-analyze security} may give: 2 of 10 is
#: what it calls "ok".
EXPOSURE = 20


class UnitTests(SynchronousTestCase):
    """
    The unit.
    """

    def setUp(self) -> None:
        """
        Read the unit.
        """
        parser = ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(UNIT.read_text().replace("\\\n", " "))
        self.service = parser["Service"]

    def test_command(self) -> None:
        """
        The program knows all options of the command.
        """
        folder = self.mktemp()
        command = self.service["ExecStart"].replace("${STATE_DIRECTORY}", folder)
        program, *arguments = command.split()
        self.assertEqual(Path(program).name, "twist")
        options = Options()
        options.parseOptions(arguments[arguments.index("libp2p") + 1 :])
        self.assertEqual(options["data"], folder)

    def test_times(self) -> None:
        """
        systemd waits longer for the end than a drain and a stop can take.
        """
        arguments = self.service["ExecStart"].split()
        drain = int(arguments[arguments.index("--drain") + 1])
        self.assertGreater(int(self.service["TimeoutStopSec"]), drain + 10)

    def test_rights(self) -> None:
        """
        The service has a user of its own and few rights, and systemd watches it.
        """
        for name, value in (
            ("Type", "notify"),
            ("DynamicUser", "yes"),
            ("ProtectSystem", "strict"),
            ("NoNewPrivileges", "yes"),
            ("StateDirectory", "libp2p"),
        ):
            self.assertEqual(self.service[name], value)
        self.assertGreater(int(self.service["WatchdogSec"]), 0)

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Let systemd look at the unit.

        @raise SkipTest: systemd is not installed, or is too old.
        """
        program = shutil.which("systemd-analyze")
        if program is None:
            raise SkipTest("systemd is not installed")
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=60
        )
        return done

    def test_security(self) -> None:
        """
        C{systemd-analyze security} gives a good grade.
        """
        done = self.analyze(
            "security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT)
        )
        if "Overall exposure" not in done.stdout:
            raise SkipTest(f"this systemd cannot tell: {done.stderr}")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_socket(self) -> None:
        """
        The ports of the socket unit are those that the service listens on.
        """
        ports = re.findall(
            r"^Listen(\w+)=(\S+):(\d+)$", SOCKET.read_text(), re.MULTILINE
        )
        listened = re.findall(
            r"--listen /ip4/(\S+)/(tcp|udp)/(\d+)", self.service["ExecStart"]
        )
        kinds = {"Stream": "tcp", "Datagram": "udp"}
        self.assertEqual(
            [(host, kinds[it], port) for it, host, port in ports], listened
        )

    def test_valid(self) -> None:
        """
        C{systemd-analyze verify} finds no error, once the program exists.
        """
        copy = Path(self.mktemp())
        copy.mkdir()
        for each in (UNIT, SOCKET):
            text = each.read_text().replace("/usr/local/bin/twist", "/bin/sh")
            (copy / each.name).write_text(text)
        for each in (UNIT, SOCKET):
            done = self.analyze("verify", str((copy / each.name).absolute()))
            # It reads other units of the machine too.
            self.assertNotIn(each.name, done.stderr)
