# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Programs under test: what they say, and how they end.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

__all__ = ["TWIST", "TWISTD", "Program", "ProgramTestCase", "codeOf", "outputOf"]

ROOT = Path(__file__).parents[1]

#: The arguments that run C{twist} and C{twistd}, wherever their scripts are.
TWIST = ("-c", "from twisted.application.twist._twist import Twist; Twist.main()")
TWISTD = ("-c", "from twisted.scripts.twistd import run; run()")


def codeOf(reason: Failure) -> int:
    """
    Return the exit code of a process that has ended, or its signal as a negative
    number.

    @param reason: the reason for which C{processEnded} was called.
    """
    status: Any = reason.value
    return -status.signal if status.exitCode is None else int(status.exitCode)


def outputOf(
    *command: str, path: str | None = None
) -> Deferred[tuple[bytes, bytes, int]]:
    """
    Run a program to its end.

    @param path: the folder in which it runs; None for the present one.
    @return: its stdout, its stderr, and its exit code, or its signal as a negative
        number.
    """

    def signalled(reason: Failure) -> tuple[bytes, bytes, int]:
        # Twisted fails with a tuple here, which is no exception, and cannot be awaited.
        out, err, signal = cast("tuple[bytes, bytes, int]", reason.value)
        return out, err, -signal

    output: Deferred[tuple[bytes, bytes, int]] = getProcessOutputAndValue(
        command[0], command[1:], os.environ, path
    )
    return output.addErrback(signalled)


class Program(ProcessProtocol):
    """
    A program that runs.

    @ivar out: what it wrote to stdout.
    @ivar err: what it wrote to stderr.
    @ivar code: its exit code, or its signal as a negative number; None as
        long as it runs.
    """

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.code: int | None = None
        self._waiting: list[Deferred[int]] = []
        self._pattern: re.Pattern[str] | None = None
        self._said: Deferred[str] = Deferred()

    def says(self, pattern: str) -> Deferred[str]:
        """
        Wait until it has said something, on stdout or stderr.

        @param pattern: what, with one group.
        @return: fires with the group; fails if the program ends before.
        """
        self._pattern = re.compile(pattern)
        self._said = Deferred()
        self._look()
        return self._said

    def _look(self) -> None:
        if self._pattern is not None:
            found = self._pattern.search((self.out + self.err).decode(errors="replace"))
            if found is not None:
                self._pattern = None
                self._said.callback(found[1])

    def outReceived(self, data: bytes) -> None:
        """
        It says something.
        """
        self.out += data
        self._look()

    def errReceived(self, data: bytes) -> None:
        """
        It says something else.
        """
        self.err += data
        self._look()

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        if self._pattern is not None:
            self._pattern = None
            self._said.errback(AssertionError((self.out + self.err).decode()))
        self.code = codeOf(reason)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(self.code)

    def ends(self) -> Deferred[int]:
        """
        Wait until it has ended.

        @return: fires with its C{code}.
        """
        if self.code is not None:
            return succeed(self.code)
        waiting: Deferred[int] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def stop(self, signal: str = "TERM") -> Deferred[int]:
        """
        End it by a signal, if it runs still.

        @return: as L{ends}.
        """
        if self.code is None:
            self.transport.signalProcess(signal)
        return self.ends()


class ProgramTestCase(TestCase):
    """
    A test that runs programs, in a folder of its own; none is left behind.

    @cvar timeout: seconds, enough for a slow machine with other work.
    """

    timeout = 600

    #: Variables that the programs have in addition to those of the test.
    environment: Mapping[str, str] = MappingProxyType({})

    def setUp(self) -> None:
        """
        Make the folder.
        """
        # Inside of it are no modules that a program could import by mistake.
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def start(self, *arguments: str, stdin: int | None = None) -> Program:
        """
        Run Python with these arguments.

        @param stdin: a file that is its stdin; by default there is a pipe.
        """
        program = Program()
        reactor.spawnProcess(
            program,
            sys.executable,
            [sys.executable, *arguments],
            {**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
            str(self.folder),
            childFDs={0: "w" if stdin is None else stdin, 1: "r", 2: "r"},
        )
        self.addCleanup(program.stop, "KILL")
        return program

    async def execute(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run Python with these arguments, to its end, without any stdin.

        @return: its exit code, its stdout and its stderr.
        """
        program = self.start(*arguments)
        program.transport.closeStdin()
        code = await program.ends()
        return code, program.out.decode(), program.err.decode()
