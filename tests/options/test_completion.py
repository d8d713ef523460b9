# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.completion} and L{twisted_libp2p.options.shells}.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from shutil import which

from twisted.trial.unittest import SynchronousTestCase

from tests.needs import skipWithout
from twisted_libp2p.__main__ import main
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.options.completion import Tool, Values, toolsOf
from twisted_libp2p.options.shells import SHELLS

#: Prints the completions of the words of a command line, the last of which is cut off.
BASH = """
complete() { :; }
compopt() { :; }
eval "$SCRIPT"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_libp2p
printf '%s\\n' "${COMPREPLY[@]}"
"""


class CompletionTests(SynchronousTestCase):
    """
    What is completed follows from the options.
    """

    def tools(self) -> dict[str, Tool]:
        """
        Return the tools by their names.
        """
        return {tool.name: tool for tool in toolsOf(ToolOptions.subCommands)}

    def test_all(self) -> None:
        """
        Each tool is there, and each of its options once, with a text.
        """
        tools = self.tools()
        self.assertEqual(list(tools), [name for name, *_ in ToolOptions.subCommands])
        for name, _, make, _ in ToolOptions.subCommands:
            choices = tools[name].choices
            self.assertEqual(
                [each.names[0] for each in choices],
                [f"--{long.rstrip('=')}" for long in sorted(set(make().longOpt))],
            )
            for each in choices:
                self.assertTrue(each.meaning)

    def test_values(self) -> None:
        """
        An option has words, files, folders, any values or none, its own or those of a
        base class; so have the operands.
        """
        tools = self.tools()
        ping = {each.names[0]: each for each in tools["ping"].choices}
        self.assertEqual(ping["--identity"].names, ("--identity", "-i"))
        self.assertEqual(ping["--identity"].values, Values.FILE)
        self.assertEqual(ping["--count"].values, Values.ANY)
        self.assertEqual(ping["--dht-scope"].values, ("public", "private", "all"))
        self.assertIsNone(ping["--mdns"].values)
        status = {each.names[0]: each for each in tools["status"].choices}
        self.assertEqual(status["--data"].values, Values.FOLDER)
        self.assertEqual(tools["id"].operand, Values.FILE)
        self.assertEqual(tools["ping"].operand, Values.ANY)
        self.assertEqual(tools["completion"].operand, tuple(SHELLS))

    def test_tool(self) -> None:
        """
        The tool prints the completion of each shell, and names them for a wrong one.
        """
        for shell in SHELLS:
            with redirect_stdout(StringIO()) as out:
                self.assertRaises(SystemExit, main, ["completion", shell])
            for name, *_ in ToolOptions.subCommands:
                self.assertIn(name, out.getvalue())
        with self.assertRaises(SystemExit) as raised:
            main(["completion", "tcsh"])
        self.assertEqual(
            str(raised.exception),
            "libp2p: there is no completion for 'tcsh': choose from bash, fish, zsh",
        )

    def test_quoted(self) -> None:
        """
        No text of an option ends a quotation of the shell, or is expanded by it.
        """
        tool = Tool("it's", "$(a) it's: [b]\\", (), Values.ANY)
        for shell, quoted in {
            "bash": "'it'\"'\"'s'",
            "zsh": "'it'\"'\"'s:$(a) it'\"'\"'s: [b]\\'",
            "fish": "'$(a) it\\'s: [b]\\\\'",
        }.items():
            self.assertIn(quoted, SHELLS[shell]("libp2p", [tool]))

    def test_bash(self) -> None:
        """
        bash completes tools, options, and the values of options, in both spellings.
        """
        if which("bash") is None:
            skipWithout("bash", "bash is not installed")
        script = SHELLS["bash"]("libp2p", list(toolsOf(ToolOptions.subCommands)))
        for words, found in {
            ("pi",): "ping pipe",
            ("ping", "--dia"): "--dial-through --dialect",
            ("ping", "--dht-scope", "p"): "public private",
            ("ping", "--dht-scope", "=", "p"): "public private",
            ("ping", "--dht-scope", "="): "public private all",
            ("ping", "/ip4"): "",
            ("completion", "f"): "fish",
            ("nothing", ""): "",
        }.items():
            done = subprocess.run(
                ["bash", "--norc", "-c", BASH, "bash", "libp2p", *words],
                env={**os.environ, "SCRIPT": script},
                capture_output=True,
                text=True,
            )
            self.assertEqual((done.stdout.split(), done.stderr), (found.split(), ""))
