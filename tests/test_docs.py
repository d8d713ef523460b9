# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the manual shows is run, and what it says of the code is compared with it.

A page is run from top to bottom in a folder of its own: a file that it includes,
names in a comment C{.. with: PATH}, or shows below a comment C{.. file: NAME},
is put there; each command of a console block is run by a shell, and what the
page shows below it has to be in its output.  C{…} stands for anything, and a
number for any number.

So that nothing depends on the machine, what listens is told to take a free port
of 127.0.0.1, and where the page dials it by the port that it shows, the real
address is dialed.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.fuzz.targets import DIFFERENTIAL, TARGETS
from tests.interop.matrix import KEYS, STACKS, TASKS
from tests.interop.results import BAD, GOOD, TABLE, Results
from tests.processes import codeOf
from twisted_libp2p import errors, events, interfaces
from twisted_libp2p.muxer.frames import Frames
from twisted_libp2p.node import MUXERS, SECURITIES
from twisted_libp2p.security import Channel, HandshakeMachine

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# The pages of the manual; an orphan does not belong to it yet.
PAGES = [
    page
    for page in (*sorted(ROOT.glob("*.rst")), *sorted(DOCS.rglob("*.rst")))
    if not page.read_text().startswith(":orphan:")
]

# What a directive or comment of a page may be that matters here.
DIRECTIVE = re.compile(r"\.\. (file|with|literalinclude|code-block):+ +(\S+)$")

# What a program says when it is ready to be connected with.
READY = re.compile(r"listening on (/\S+/p2p/\S+)|Site starting on (\d+)")

# Seconds that a program has to print the lines that a page shows, on a slow machine.
PATIENCE = 300

# Where a page listens.
LISTENING = re.compile(r"/ip4/[\d.]+/tcp/(\d+)(?!\d|/p2p)|(?<=--listen )tcp:(\d+)")

# Where it dials: a peer, or the port of an ordinary server.
DIALING = re.compile(r"/ip4/[\d.]+/tcp/(\d+)/p2p/\w+…|tcp:localhost:(\d+)")


@dataclass(frozen=True)
class File:
    """
    A file that a page shows.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """
    A command that a page shows, and the lines of its output.
    """

    text: str
    output: tuple[str, ...]


def stepsOf(page: Path) -> Iterator[File | Command]:
    """
    Go through the files and commands of a page.
    """
    lines = page.read_text().splitlines()
    name = None
    for number, line in enumerate(lines):
        found = DIRECTIVE.fullmatch(line)
        if found is None:
            continue
        kind, argument = found.groups()
        if kind == "file":
            name = argument
        elif kind in ("literalinclude", "with"):
            included = page.parent / argument
            yield File(included.name, included.read_text())
        elif argument == "console":
            yield from commandsOf(bodyOf(lines[number + 1 :]))
        elif name is not None:
            yield File(name, bodyOf(lines[number + 1 :]))
            name = None


def bodyOf(lines: list[str]) -> str:
    """
    Cut off the body of a directive.
    """
    body = []
    for line in lines:
        if line and not line.startswith("   "):
            break
        body.append(line)
    return textwrap.dedent("\n".join(body)).strip("\n") + "\n"


def commandsOf(console: str) -> Iterator[Command]:
    """
    Take a console block apart.
    """
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        text, *output = re.sub(r"\\\n> +", "", part).splitlines()
        yield Command(text, tuple(output))


def pattern(line: str) -> re.Pattern[str]:
    """
    Give what a line of output has to look like.
    """
    escaped = re.escape(line.strip()).replace("…", ".*")
    return re.compile(re.sub(r"\d+", r"\\d+", escaped))


def missing(shown: Iterable[str], output: str) -> str | None:
    """
    Find the first line of a page that the output does not have, in this order.
    """
    lines = iter(output.splitlines())
    for each in filter(None, shown):
        wanted = pattern(each)
        if not any(wanted.fullmatch(line.strip()) for line in lines):
            return each
    return None


class Program(ProcessProtocol):
    """
    A command that runs.

    @ivar ready: fires when it has printed that it listens, and all lines that the page
        shows, or when it has ended.
    @ivar status: its exit code, when it has ended.
    """

    transport: Any

    def __init__(self, command: Command) -> None:
        """
        @param command: the command, with the lines that it should print.
        """
        self.ready: Deferred[None] = Deferred()
        self.status: int | None = None
        self._command = command
        self._output = b""
        self._ended: Deferred[None] = Deferred()

    @property
    def output(self) -> str:
        """
        The text that it has printed so far.
        """
        return self._output.decode(errors="replace")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._output += data
        if self.ready.called or not READY.search(self.output):
            return
        if missing(self._command.output, self.output) is None:
            self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        self.status = codeOf(reason)
        self._ended.callback(None)
        if not self.ready.called:
            self.ready.callback(None)

    def stop(self) -> Deferred[None]:
        """
        End it, as an administrator does.
        """
        if not self._ended.called:
            self.transport.signalProcess("TERM")
        return self._ended


class PageTests(TestCase):
    """
    The pages that show how to do something do it.
    """

    timeout = 600

    def setUp(self) -> None:
        """
        Have an empty folder, and the commands of this very Python.
        """
        base = Path(self.mktemp()).resolve()
        self.folder = base / "page"
        scripts = base / "bin"
        self.folder.mkdir(parents=True)
        scripts.mkdir()
        for name, arguments in {
            "python": "",
            "libp2p": "-m twisted_libp2p",
            "twist": "-m twisted --log-format=text",
            "twistd": "-c 'from twisted.scripts.twistd import run; run()'",
        }.items():
            script = scripts / name
            script.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
            script.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        # By the port that the page shows: where that really is.
        self.places: dict[str, str] = {}
        self.programs: list[Program] = []

    async def run_(self, name: str) -> None:
        """
        Do what a page does.
        """
        files: dict[str, str] = {}
        for step in stepsOf(ROOT / name):
            if isinstance(step, File):
                files[step.name] = step.text
                file = self.folder / step.name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(self.elsewhere(step.text))
            else:
                program = await self.start(step)
                if program.status is None:
                    # Which port it is that it shows, is in it or in its file.
                    shown = [text for name, text in files.items() if name in step.text]
                    self.note("".join([step.text, *shown]), program.output)
                else:
                    self.assertEqual(program.status, 0, program.output)
                self.check(step, program)

    def elsewhere(self, text: str) -> str:
        """
        Replace the addresses that a page shows by those that serve here.
        """

        def place(found: re.Match[str]) -> str:
            return self.places.get(found[1] or found[2], found[0])

        text = DIALING.sub(place, text)
        return LISTENING.sub(
            lambda found: "/ip4/127.0.0.1/tcp/0" if found[1] else "tcp:0", text
        )

    async def start(self, command: Command) -> Program:
        """
        Run a command until it is ready, or has ended.
        """
        program = Program(command)
        self.programs.append(program)
        self.addCleanup(program.stop)
        text = self.elsewhere(command.text)
        if "|" not in text:
            text = f"exec {text}"
        reactor.spawnProcess(
            program, "/bin/sh", ["sh", "-c", text], self.environment, str(self.folder)
        )
        # If the page shows a wrong line, the check that follows says so.
        program.ready.addTimeout(
            PATIENCE, reactor, onTimeoutCancel=lambda result, seconds: None
        )
        await program.ready
        return program

    def note(self, shown: str, output: str) -> None:
        """
        Remember where the program is that has just got ready.
        """
        listening, ready = LISTENING.search(shown), READY.search(output)
        assert listening is not None and ready is not None
        if ready[1]:
            self.places[listening[1]] = ready[1]
        else:
            self.places[listening[2]] = f"tcp:localhost:{ready[2]}"

    def check(self, command: Command, program: Program) -> None:
        """
        What the page shows of the output is in it, in this order.
        """
        self.assertNotIn("Traceback", program.output, command.text)
        shown = missing(command.output, program.output)
        if shown is not None:
            self.fail(
                f"{command.text}: the page shows {shown!r}, but there is"
                f" {program.output}"
            )

    def page(self, name: str) -> Deferred[None]:
        """
        Run a page.
        """
        return Deferred.fromCoroutine(self.run_(name))

    def test_readme(self) -> Deferred[None]:
        """
        README.rst: by code, by endpoint string, by command.
        """
        return self.page("README.rst")

    def test_quickstart(self) -> Deferred[None]:
        """
        docs/quickstart.rst: the first five minutes.
        """
        return self.page("docs/quickstart.rst")

    def test_serve(self) -> Deferred[None]:
        """
        docs/howto/serve.rst: an application, a program, an endpoint string.
        """
        return self.page("docs/howto/serve.rst")

    def test_dial(self) -> Deferred[None]:
        """
        docs/howto/dial.rst: with and without success.
        """
        return self.page("docs/howto/dial.rst")

    async def test_connections(self) -> None:
        """
        docs/howto/connections.rst: a node with bounds, and who is trimmed.
        """
        await self.run_("docs/howto/connections.rst")
        bounded = self.programs[0]
        await bounded.stop()
        self.check(Command("connections.py", ("inbound connection",)), bounded)

    async def test_events(self) -> None:
        """
        docs/howto/events.rst: what the subscriber prints when somebody was
        there.
        """
        await self.run_("docs/howto/events.rst")
        watching = self.programs[0]
        await watching.stop()
        shown = ("inbound /noise /yamux/1.0.0", "it is …", "gone: …")
        self.check(Command("watch.py", shown), watching)

    def test_peerstore(self) -> Deferred[None]:
        """
        docs/howto/peerstore.rst: a store that an application uses, twice.
        """
        return self.page("docs/howto/peerstore.rst")

    def test_chat(self) -> Deferred[None]:
        """
        docs/howto/chat.rst: two members of a chat, and its test.
        """
        return self.page("docs/howto/chat.rst")

    def test_pubsub(self) -> Deferred[None]:
        """
        docs/pubsub.rst: a simulated topic with own parameters and a validator.
        """
        return self.page("docs/pubsub.rst")

    def test_calls(self) -> Deferred[None]:
        """
        docs/howto/calls.rst: AMP and Perspective Broker, with calls back.
        """
        return self.page("docs/howto/calls.rst")

    def test_keys(self) -> Deferred[None]:
        """
        docs/howto/keys.rst: two nodes, one of which takes the place of the other.
        """
        return self.page("docs/howto/keys.rst")

    def test_files(self) -> Deferred[None]:
        """
        docs/howto/files.rst: a file that is fetched in two parts.
        """
        return self.page("docs/howto/files.rst")

    def test_testing(self) -> Deferred[None]:
        """
        docs/howto/testing.rst: the test of a protocol of one's own.
        """
        return self.page("docs/howto/testing.rst")

    def test_endpoints(self) -> Deferred[None]:
        """
        docs/howto/endpoints.rst: a node over a pipe.
        """
        return self.page("docs/howto/endpoints.rst")

    def test_tools(self) -> Deferred[None]:
        """
        docs/howto/tools.rst: every tool.
        """
        return self.page("docs/howto/tools.rst")

    def test_tunnels(self) -> Deferred[None]:
        """
        docs/howto/tunnels.rst: a web server becomes a protocol.
        """
        return self.page("docs/howto/tunnels.rst")

    def test_config(self) -> Deferred[None]:
        """
        docs/howto/config.rst: the settings of a file are printed.
        """
        return self.page("docs/howto/config.rst")

    def test_web(self) -> Deferred[None]:
        """
        docs/howto/web.rst: a resource for peers.
        """
        return self.page("docs/howto/web.rst")

    def test_extending(self) -> Deferred[None]:
        """
        docs/extending.rst: the sketch of a layer passes its conformance tests.
        """
        return self.page("docs/extending.rst")


class CompletenessTests(SynchronousTestCase):
    """
    Nothing that is shown is left out of L{PageTests}.
    """

    def test_pages(self) -> None:
        """
        Every page with a console block has a test.
        """
        source = Path(__file__).read_text()
        tested = set(re.findall(r'(?:run_|page)\("(.+?)"\)', source))
        shown = {
            str(page.relative_to(ROOT))
            for page in PAGES
            if any(isinstance(step, Command) for step in stepsOf(page))
        }
        self.assertEqual(shown, tested)

    def test_python(self) -> None:
        """
        Python on a page is a file that is run, or at least compiles.
        """
        for page in PAGES:
            for step in stepsOf(page):
                if isinstance(step, File) and step.name.endswith((".py", ".tac")):
                    ast.parse(step.text, step.name)
            text = page.read_text()
            blocks = len(re.findall(r"^\.\. code-block:: python", text, re.M))
            named = len(re.findall(r"^\.\. file: .*\.(?:py|tac)$", text, re.M))
            self.assertEqual(blocks, named, f"{page}: .. file: NAME is missing")

    def test_targets(self) -> None:
        """
        Every C{make} target that a page names is one.
        """
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
        for page in PAGES:
            named = set(re.findall(r"(?:``|^ +)make ([a-z]+)", page.read_text(), re.M))
            self.assertLessEqual(named, targets, page)


def rowsOf(page: Path) -> Iterator[list[str]]:
    """
    Go through the rows of all list tables of a page.
    """
    for table in re.findall(
        r"^\.\. list-table::.*\n((?:   .*\n|\n)+)", page.read_text() + "\n", re.M
    ):
        for row in re.split(r"^   \* - ", table, flags=re.M)[1:]:
            yield [
                " ".join(cell.split())
                for cell in re.split(r"^     - ", row, flags=re.M)
            ]


#: The units of limits, as their factor in seconds, bytes, or ones.
UNITS = {
    "": 1,
    "byte": 1,
    "bytes": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "s": 1,
    "h": 3600,
    "day": 86400,
    "bit": 1,
    "bits": 1,
}


class LimitTests(SynchronousTestCase):
    """
    docs/limits.rst has the limits of the code.
    """

    def test_values(self) -> None:
        """
        Each default is what the code has in the place that is named.
        """
        count = 0
        for _, default, where, *_ in rowsOf(DOCS / "limits.rst"):
            found = re.fullmatch(r"``(.+?)(?:\((\w+)\))?``", where)
            if found is None:
                continue
            name, parameter = found.groups()
            value = namedAny(f"twisted_libp2p.{name}")
            if parameter is not None:
                value = inspect.signature(value).parameters[parameter].default
            number, unit = re.fullmatch(
                r"([\d ]*\d(?:\.\d+)?) ?(\w*)", default
            ).groups()  # type: ignore[union-attr]
            told = Decimal(number.replace(" ", "")) * UNITS[unit]
            value = Decimal(str(value))
            self.assertEqual(told, value, where)
            count += 1
        self.assertGreater(count, 40)

    def test_complete(self) -> None:
        """
        Each public limit is in the table, of all rooms that have any.
        """
        named = {
            re.sub(r"\(\w+\)", "", where.strip("`"))
            for _, _, where, *_ in rowsOf(DOCS / "limits.rst")
        }
        # The default of an option that is.
        named.add("muxer.yamux.window.MAX_WINDOW")
        for room in (
            "wire", "identity", "address", "negotiation", "security", "muxer",
            "transport", "connection", "protocols", "peerstore", "connmanager",
            "status", "quic", "dht", "portmap", "discovery", "pubsub",
            "access", "tunnel", "web", "control", "tools", "daemon", "options",
        ):  # fmt: skip
            for path in (ROOT / "twisted_libp2p" / room).rglob("*.py"):
                place = ".".join(path.relative_to(ROOT / "twisted_libp2p").parts)[:-3]
                for limit in re.findall(
                    r"^((?:MAX|MOST|LONGEST|[A-Z_]*(?:TIME|DEADLINE|TIMEOUT))[A-Z_]*)"
                    r"(?:: \w+)? = \d",
                    path.read_text(),
                    re.M,
                ):
                    self.assertTrue(
                        f"{place}.{limit}" in named, f"{place}.{limit} has no row"
                    )


class WordsTests(SynchronousTestCase):
    """
    The pages name what is there.
    """

    def test_errors(self) -> None:
        """
        docs/errors.rst names every error, and every code.
        """
        text = (DOCS / "errors.rst").read_text()
        for name in errors.__all__:
            if name[0].isupper() and not name.isupper():
                self.assertTrue(f"``{name}``" in text, name)
        for code in errors.ErrorCode:
            row = rf"``{code:#x}``\s+- ``{code.name}``"
            self.assertTrue(re.search(row, text), code.name)

    def test_events(self) -> None:
        """
        docs/howto/events.rst names every event.
        """
        text = (DOCS / "howto" / "events.rst").read_text()
        for name, value in vars(events).items():
            if (
                name in events.__all__
                and isinstance(value, type)
                and issubclass(value, events.Event)
            ):
                self.assertTrue(re.search(rf"\b{name}\b", text), name)

    def test_layers(self) -> None:
        """
        README.rst names the layers that a node speaks.
        """
        text = (ROOT / "README.rst").read_text().lower()
        for name in (*SECURITIES, *MUXERS):
            self.assertTrue(name in text, name)

    def test_draft(self) -> None:
        """
        docs/draft.rst has every requirement once, and names tests that exist.
        """
        told = []
        for name, *_, proof in rowsOf(DOCS / "draft.rst"):
            if not name.startswith("SD-"):
                continue
            told.append(name)
            for test in re.findall(r"``(tests\.[\w.]+)``", proof):
                if test.startswith("tests.interop"):
                    self.assertTrue((ROOT / f"{test.replace('.', '/')}.py").exists())
                else:
                    namedAny(test)
        self.assertEqual(told, [f"SD-{number:02}" for number in range(1, 29)])

    def test_interop(self) -> None:
        """
        docs/interop-table.inc tells of every connection of the matrix, and of
        the versions that are locked.
        """
        good = Results()
        for cell in STACKS:
            for task in TASKS:
                good.task(cell, task, True)
        for key in KEYS:
            good.key(key, True)
        told = TABLE.read_text(encoding="utf-8")
        self.assertEqual(told.replace(BAD, GOOD), good.render())

    def test_fuzz(self) -> None:
        """
        docs/security-fuzz.inc has every target once, in the order of the code.
        """
        told = [
            head.strip("`")
            for head, *_, runs in rowsOf(DOCS / "security-fuzz.inc")
            if re.fullmatch(r"[\d,]+", runs)
        ]
        self.assertEqual(told, [*TARGETS, *DIFFERENTIAL])

    def test_rooms(self) -> None:
        """
        docs/architecture.rst names every room.
        """
        text = (DOCS / "architecture.rst").read_text()
        for path in (ROOT / "twisted_libp2p").iterdir():
            if path.suffix == ".py" or (path / "__init__.py").exists():
                room = path.stem
                if room != "__init__":
                    self.assertTrue(f"``{room}``" in text, room)

    def test_contracts(self) -> None:
        """
        docs/howto/plugins.rst names each member of the contracts that it explains, the
        optional ones too; docs/extending.rst those of a host.
        """
        text = (DOCS / "howto" / "plugins.rst").read_text()
        extending = (DOCS / "extending.rst").read_text()
        for name in interfaces.IHost.names():
            self.assertTrue(f"``{name}``" in extending, name)
        for contract in (
            interfaces.ISecurity,
            interfaces.IAddressing,
            interfaces.ITransport,
            interfaces.IMuxedTransport,
            interfaces.IUpgrade,
            interfaces.INativeSession,
            interfaces.IFlushable,
            interfaces.ISwitchable,
            interfaces.IHalfCloseable,
        ):
            for name in contract.names():
                self.assertTrue(re.search(rf"``{name}\W", text), f"{contract} {name}")
        for kind in (HandshakeMachine, Channel, Frames):
            for name in {*vars(kind), *inspect.get_annotations(kind)}:
                if not name.startswith("_") and name != "protocolID":
                    self.assertTrue(re.search(rf"``{name}\W", text), f"{kind} {name}")

    def test_internals(self) -> None:
        """
        docs/internals.rst names modules that exist, and has each section that a
        comment names.
        """
        text = (DOCS / "internals.rst").read_text()
        for places in re.findall(r"^\*In\* ((?:.+\n)+)", text, re.M):
            for module in re.findall(r"``([a-z.]+)``", places):
                self.assertTrue(import_module(f"twisted_libp2p.{module}"))
        sections = set(re.findall(r"^(.+)\n(?:~+|-+)$", text, re.M))
        named = set()
        for path in (ROOT / "twisted_libp2p").rglob("*.py"):
            source = re.sub(r"\n *#? *", " ", path.read_text())
            named |= set(re.findall(r'"([^"]+)"(?: in|,)? (?:C\{)?docs/intern', source))
            named |= set(re.findall(r'docs/internals\.rst\}?, "([^"]+)"', source))
        self.assertGreater(len(named), 3)
        self.assertLessEqual(named, sections)

    def test_dotted(self) -> None:
        """
        Every dotted name of the package that a page mentions leads somewhere.
        """
        for page in PAGES:
            for name in re.findall(r"``(twisted_libp2p(?:\.\w+)+)``", page.read_text()):
                module, _, last = name.rpartition(".")
                try:
                    import_module(name)
                except ModuleNotFoundError:
                    self.assertTrue(hasattr(import_module(module), last), name)
