# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.config}.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from twisted.application.twist._options import TwistOptions
from twisted.python.usage import CoerceParameter
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.options.config import readSettings, writeSettings
from twisted_libp2p.tap import Options

FILE = """
listen = ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"]
echo = true
mdns = false
drain = 20
unix-mode = 660
relay = "auto"
allow = []

[serve]
"/ssh/1.0.0" = "tcp:localhost:22"

[allow-for]
"/ssh/1.0.0" = ["@paired", "@family"]
"""


class ConfigTests(SynchronousTestCase):
    """
    A command line with a file.
    """

    def options(self, text: str, *arguments: str) -> Options:
        """
        Parse a command line with this file.
        """
        self.path = os.path.abspath(self.mktemp())
        Path(self.path).write_text(text)
        options = Options()
        options.parseOptions(("--config", self.path, *arguments))
        return options

    def printed(self, text: str, *arguments: str) -> str:
        """
        Print the settings.
        """
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        end = self.assertRaises(
            SystemExit, self.options, text, "--print-config", *arguments
        )
        self.assertEqual(end.code, 0)
        return out.getvalue()

    def test_names(self) -> None:
        """
        Settings have the names of options, flags are true or false, and options that
        may be repeated are lists; values with an equals sign may be in tables.
        """
        options = self.options(FILE)
        self.assertEqual(
            options["listen"], ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"]
        )
        self.assertEqual(options["serve"], ["/ssh/1.0.0=tcp:localhost:22"])
        self.assertEqual(options["allow-for"], ["/ssh/1.0.0=@paired,@family"])
        self.assertEqual(
            [options[each] for each in ("echo", "mdns", "drain", "unix-mode")],
            [1, 0, 20, 0o660],
        )
        self.assertEqual((options["relay"], options["allow"]), (["auto"], []))

    def test_allOptions(self) -> None:
        """
        Each option of the service is a flag, a parameter, or may be repeated.
        """
        options = Options()
        for name in options.longOpt:
            plain = name.rstrip("=")
            single = isinstance(
                options._dispatch[options.named(f"--{plain}")], CoerceParameter
            )
            repeated = isinstance(options.get(plain), list)
            self.assertEqual(single + repeated, name.endswith("="), name)

    def test_commandLine(self) -> None:
        """
        An option of the command line takes the place of all values in the file.
        """
        options = self.options(FILE, "-l", "/ip4/127.0.0.1/tcp/3", "--drain=5")
        self.assertEqual(options["listen"], ["/ip4/127.0.0.1/tcp/3"])
        self.assertEqual((options["drain"], options["echo"]), (5, 1))

    def test_wrong(self) -> None:
        """
        A mistake is one line, with the file, the setting, and the right form.
        """
        for text, words in (
            ("lisen = 3", "there is no option lisen: choose from listen"),
            ('drain = "x"', "drain: 'x' is not a whole number from 1 up"),
            ("drain = true", "drain has to be one value"),
            ("drain = [3]", "drain has to be one value"),
            ("echo = 1", "echo has to be true or false"),
            ("listen = 3", "listen has to be a list of texts"),
            ("listen = {a = 'b'}", "listen has to be a list of texts"),
            ("serve = {a = 3}", "serve has to be a table of texts, or lists of them"),
            ('data = ""', "data needs a value: folder"),
            ('config = "x"', "config is for the command line alone"),
            ("a = = 3", "Invalid value (at line 1, column 5)"),
        ):
            error = self.assertRaises(SystemExit, self.options, text)
            self.assertIn(f"libp2p: {self.path}: {words}", str(error.code))
            self.assertNotIn("\n", str(error.code))

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is one line too.
        """
        place = self.mktemp()
        options = Options()
        error = self.assertRaises(SystemExit, options.parseOptions, ("--config", place))
        self.assertIn("No such file", str(error.code))
        Path(place).write_bytes(b'data = "\xff"')
        error = self.assertRaises(
            SystemExit, Options().parseOptions, ("--config", place)
        )
        self.assertIn("utf-8", str(error.code))

    def test_print(self) -> None:
        """
        The printed settings are a file with the same meaning; it has the settings of
        the command line, and the defaults too.
        """
        text = self.printed(FILE, "--status", "tcp:1")
        self.assertIn('status = "tcp:1"\n', text)
        self.assertIn('dialect = "multistream"\n', text)
        self.assertIn("drain = 20\n", text)
        again = self.printed(text)
        self.assertEqual(again, text)

    def test_escapes(self) -> None:
        """
        Any text can be a value.
        """
        strange = "\x00\t\n\"'\\\x7f\u2028é𝄞" + "007"
        path = self.mktemp()
        Path(path).write_text(
            writeSettings([("a", [strange]), ("b", "007"), ("c", "7"), ("d", True)])
        )
        self.assertEqual(
            readSettings(path), {"a": [strange], "b": "007", "c": 7, "d": True}
        )

    def test_reread(self) -> None:
        """
        The file is read again, also by a daemon in another folder; the command line
        stays.
        """
        options = self.options(FILE, "--drain", "5")
        Path(self.path).write_text('echo = true\ndrain = 7\nblock = ["10.0.0.0/8"]')
        again = options.reread()
        self.assertEqual((again["block"], again["drain"]), (["10.0.0.0/8"], 5))
        self.assertEqual(
            options.changed(again),
            {"listen", "unix-mode", "relay", "serve", "allow-for", "block"},
        )

    def test_relative(self) -> None:
        """
        The file stays the same one when the folder of the process changes.
        """
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        Path(folder := self.mktemp()).mkdir()
        os.chdir(folder)
        Path("it.toml").write_text("echo = true")
        options = Options()
        options.parseOptions(["--config=it.toml"])
        os.chdir(here)
        self.assertEqual(options.reread()["echo"], 1)


class MistakeTests(SynchronousTestCase):
    """
    Mistakes in the command line of a node.
    """

    def test_oneLine(self) -> None:
        """
        C{twist} ends with one line, and does not print a screen of options.
        """
        twist = TwistOptions()
        with self.assertRaises(SystemExit) as raised:
            twist.parseOptions(["libp2p", "--listne", "/ip4/127.0.0.1/tcp/0"])
        self.assertEqual(
            str(raised.exception),
            "libp2p: there is no option --listne: choose from --listen, --no-listen;"
            " twist libp2p --help lists all options",
        )
