# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a command line is read, and the options of a node: those that C{twist libp2p}
and the tools share.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from getopt import GetoptError, getopt, gnu_getopt
from math import inf
from typing import Any, ClassVar

from twisted.python.usage import CoerceParameter, Options, UsageError

from twisted_libp2p import __version__
from twisted_libp2p.connection.attempts import DIALECTS
from twisted_libp2p.connection.stack import MULTISTREAM
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    IMuxerProvider,
    IProvider,
    ISecurityProvider,
    ITransportProvider,
)
from twisted_libp2p.node import MUXERS, SECURITIES
from twisted_libp2p.plugin import providers
from twisted_libp2p.transport.private import PrivateNetwork
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

__all__ = ["CommandOptions", "NodeOptions", "whole"]

#: The plugin that C{--insecure-plaintext} adds.
PLAINTEXT = "insecure-plaintext"


def _choice(kind: type[IProvider]) -> str:
    return "in order of preference, of: " + ", ".join(providers(kind))


def whole(least: int, most: float = inf) -> Callable[[str], int]:
    """
    Make the type of an option whose value is a whole number.

    @param least: the smallest one that makes sense.
    @param most: the largest one.
    @return: understands a value; raises C{ValueError} if it is no such number.
    """

    def understand(text: str) -> int:
        with suppress(ValueError):
            if least <= int(text) <= most:
                return int(text)
        bounds = f"from {least} up" if most == inf else f"from {least} to {most}"
        raise ValueError(f"{text!r} is no whole number {bounds}")

    return understand


class CommandOptions(Options):
    """
    A command line on which options may follow the operands, and on which each
    mistake is answered with what would be right.

    @cvar operands: the names of the arguments that are no options; all are needed.
    """

    operands: ClassVar[tuple[str, ...]] = ()

    def opt_version(self) -> None:
        """
        Display the version of twisted_libp2p and exit.
        """
        print(f"twisted_libp2p {__version__}")
        sys.exit(0)

    @property
    def example(self) -> str:
        """
        The whole command, as it has to be; empty for a plugin of C{twist}.
        """
        if not isinstance(self.parent, CommandOptions):
            return ""
        return " ".join(
            ["libp2p", str(self.parent.subCommand), "[options]", *self.operands]
        )

    def getSynopsis(self) -> str:
        """
        Return the first line of the help.
        """
        if self.example:
            return f"Usage: {self.example}"
        return str(super().getSynopsis())

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line.

        @raise UsageError: it makes no sense; the text says what would.
        """
        given = list(sys.argv[1:] if options is None else options)
        if given[-2:-1] != ["--_shell-completion"]:
            given = self._checked(given)
        super().parseOptions(given)

    def _checked(self, given: list[str]) -> list[str]:
        """
        Check a command line.

        @return: the same with its options first.
        """
        tools = [name for name, *_ in getattr(self, "subCommands", ())]
        # What follows the name of a tool is read by the tool.
        parse = getopt if tools else gnu_getopt
        try:
            found, operands = parse(given, self.shortOpt, self.longOpt)
        except GetoptError as error:
            raise UsageError(self._correct(error)) from None
        for option, value in found:
            self._coerce(option, value)
        if tools:
            if operands and operands[0] not in tools:
                raise UsageError(
                    f"there is no tool {operands[0]!r}: choose from {', '.join(tools)}"
                )
            return given
        asked = {option for option, _ in found} & {"--help", "--version"}
        wanted = len(operands) if asked else len(self.operands)
        if len(operands) < wanted:
            missing = " and ".join(self.operands[len(operands) :])
            be = "are" if wanted - len(operands) > 1 else "is"
            raise UsageError(f"{missing} {be} missing: {self.example}")
        if len(operands) > wanted:
            usage = self.example or "every value needs its option, see --help"
            raise UsageError(f"there is no place for {operands[wanted]!r}: {usage}")
        flat = [
            part
            for option, value in found
            for part in ([option, value] if self._takesValue(option) else [option])
        ]
        return [*flat, "--", *operands]

    def _takesValue(self, option: str) -> bool:
        """
        @param option: with its dashes, as it was found on a command line.
        """
        if option.startswith("--"):
            return f"{option[2:]}=" in self.longOpt
        return f"{option[1:]}:" in self.shortOpt

    def _named(self, option: str) -> str:
        """
        Return the name under which C{usage} keeps an option.
        """
        name = option.lstrip("-")
        found: str = self.synonyms.get(name) or self.synonyms[name.replace("-", "_")]
        return found

    def _coerce(self, option: str, value: str) -> None:
        """
        Check the value of an option.

        @raise UsageError: the option has no such value.
        """
        if not value and self._takesValue(option):
            # Mostly a variable of the shell that is not set.  Taken for no option
            # at all, it would make a private network public.
            raise UsageError(self._wanted(option))
        dispatch = self._dispatch[self._named(option)]
        if isinstance(dispatch, CoerceParameter):
            try:
                dispatch.coerce(value)
            except ValueError as error:
                raise UsageError(f"{option}: {error}") from None

    def _wanted(self, option: str) -> str:
        """
        Return the text of the error that an option has no value.
        """
        name = self._named(option)
        meaning = self.docs.get(name) or getattr(self, f"opt_{name}").__doc__
        return f"{option} needs a value: {meaning.strip()}"

    def _correct(self, error: GetoptError) -> str:
        """
        Say what would be right in place of an option.
        """
        long = [name.rstrip("=") for name in self.longOpt]
        option = error.opt
        dashed = f"--{option}" if len(option) > 1 else f"-{option}"
        if "requires argument" in error.msg:
            return self._wanted(dashed)
        if "must not have" in error.msg:
            return f"{dashed} takes no value: write {dashed} alone"
        started = [name for name in long if len(option) > 1 and name.startswith(option)]
        close = started or get_close_matches(option, long, 3, 0.5)
        names = ", ".join(f"--{name}" for name in close or long)
        return f"there is no option {dashed}: choose from {names}"


class NodeOptions(CommandOptions):
    """
    What a node speaks, and as whom.
    """

    optParameters: ClassVar[list[Any]] = [
        ["identity", "i", None, "file of our private key, made if it is not there"],
        ["security", None, ",".join(SECURITIES), _choice(ISecurityProvider)],
        ["muxer", None, ",".join(MUXERS), _choice(IMuxerProvider)],
        ["dialect", None, MULTISTREAM, "spoken first: " + ", ".join(DIALECTS)],
        ["psk", None, None, "file of the key of a private network"],
        ["tls-roots", None, None, "authorities for /wss; those of the system, if not"],
    ]

    optFlags: ClassVar[list[Any]] = [
        [PLAINTEXT, None, "speak unprotected with peers that speak nothing better"],
    ]

    def __repr__(self) -> str:
        # A DSN among the values may hold a password.
        return f"<{type(self).__name__}>"

    def identity(self) -> Identity | None:
        """
        Give who the node is; None for a key that lives as long as the process.

        @raise ConfigurationError: the file holds no key.
        """
        path = self["identity"]
        return Identity.fromFile(path, self.owner()) if path is not None else None

    def owner(self) -> tuple[int, int] | None:
        """
        Return the user and the group that new files belong to; None for those of
        the process.
        """
        return None

    def nodeArguments(self) -> dict[str, Any]:
        """
        Give the keyword arguments of L{Node<twisted_libp2p.node.Node>}.

        @raise ConfigurationError: a file cannot be used.
        """
        security = self["security"].split(",")
        if self[PLAINTEXT]:
            security.append(PLAINTEXT)
        return {
            "identity": self.identity(),
            "security": security,
            "muxers": self["muxer"].split(","),
            "dialect": self["dialect"],
            "network": (
                PrivateNetwork.fromFile(self["psk"])
                if self["psk"] is not None
                else None
            ),
            "transports": self.transports(),
        }

    def secureWebSockets(self) -> SecureWebSockets | None:
        """
        Return what provides C{wss}; None for the plugin of the package.
        """
        roots = self["tls-roots"]
        return None if roots is None else SecureWebSockets(roots)

    def transports(self) -> list[Any] | None:
        """
        Return the transports of the node; None for those of all plugins.
        """
        secure = self.secureWebSockets()
        if secure is None:
            return None
        others = [name for name in providers(ITransportProvider) if name != secure.name]
        return [*others, secure]
