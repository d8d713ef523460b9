# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests in a laboratory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.lab.lab import Lab
from tests.needs import isRequired
from tests.tun import NAMESPACE

__all__ = ["LabTestCase", "missing"]

#: The environment variable of a process that runs inside.
INSIDE = "LIBP2P_LAB"

#: A laboratory in small: everything that a real one needs of the kernel.
_PROBE = """
test -w /dev/net/tun && echo 1 > /proc/sys/net/ipv4/ip_forward &&
ip link add lan type bridge && ip link add one type veth peer name two &&
echo 'table ip t {
  map m { type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; }
  chain c { type nat hook prerouting priority dstnat; dnat ip to tcp dport map @m
  }
}' | nft -f -
"""


@cache
def missing() -> str | None:
    """
    Return why there can be no laboratory here; None if there can.
    """
    for program in ("unshare", "ip", "nft"):
        if shutil.which(program) is None:
            return f"there is no {program}: apt-get install iproute2 nftables"
    probe = subprocess.run(
        [*NAMESPACE, "sh", "-c", _PROBE], capture_output=True, text=True
    )
    if probe.returncode:
        return f"there may be no namespaces with NAT here: {probe.stderr.strip()}"
    return None


class LabTestCase(TestCase):
    """
    A test in a laboratory of its own.

    It runs in a process of its own, in namespaces that need no root.  Where these are
    missing it is skipped, unless C{LIBP2P_REQUIRE} names C{lab}: then it fails.

    @cvar longest: seconds for the test, the start of its process included.
    @ivar lab: the laboratory.
    """

    longest = 300
    lab: Lab

    def setUp(self) -> None:
        self.lab = Lab(reactor)
        self.addCleanup(self.lab.close)

    def run(self, result: Any = None) -> Any:
        """
        Run the test in a process of its own, and report its outcome here.
        """
        if os.environ.get(INSIDE):
            return super().run(result)
        result.startTest(self)
        reason = missing()
        if reason is None:
            self._runInside(result)
        elif isRequired("lab"):
            result.addFailure(self, Failure(AssertionError(reason)))
        else:
            result.addSkip(self, reason)
        result.stopTest(self)
        return None

    def _runInside(self, result: Any) -> None:
        trial = [sys.executable, "-m", "twisted.trial", "--reporter=text"]
        with TemporaryDirectory() as folder:
            done = subprocess.run(
                [*NAMESPACE, *trial, f"--temp-directory={folder}/trial", self.id()],
                env={**os.environ, INSIDE: "1"},
                capture_output=True,
                text=True,
                timeout=self.longest,
            )
        if done.returncode:
            text = done.stdout + done.stderr
            result.addFailure(self, Failure(AssertionError(text)))
        else:
            result.addSuccess(self)
