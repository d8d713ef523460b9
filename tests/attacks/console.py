# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program that answers the lines of its standard input, each with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver

__all__ = ["Console", "run"]

#: What answers a line: called with its words, gives what JSON can tell.
Command = Callable[..., Awaitable[Any]]


class Console(LineReceiver):
    """
    Answers one line after the other.
    """

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, commands: dict[str, Command]) -> None:
        self._commands = commands

    def lineReceived(self, line: bytes) -> None:
        """
        Do what the line says.
        """
        name, *words = line.decode().split()
        done = Deferred.fromCoroutine(self._answer(name, words))
        done.addErrback(lambda reason: reason.printTraceback(sys.stderr))

    async def _answer(self, name: str, words: list[str]) -> None:
        self.say(await self._commands[name](*words))

    def say(self, answer: Any) -> None:
        """
        Say something.
        """
        self.sendLine(json.dumps(answer).encode())

    def connectionLost(self, reason: object = None) -> None:
        """
        Whoever asked is gone.
        """
        loop: Any = reactor
        if loop.running:
            loop.stop()


def run(start: Callable[[], Awaitable[dict[str, Any]]], **commands: Command) -> None:
    """
    Run until standard input ends.

    @param start: gives what is said first.
    """
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
    console = Console(commands)
    StandardIO(console)

    async def begin() -> None:
        console.say(await start())

    loop: Any = reactor
    loop.callWhenRunning(
        lambda: Deferred.fromCoroutine(begin()).addErrback(
            lambda reason: (reason.printTraceback(sys.stderr), loop.stop())
        )
    )
    loop.run()
