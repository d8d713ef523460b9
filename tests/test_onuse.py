# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the modules that are loaded when they are used.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ProgramTestCase
from twisted_libp2p.identity import Identity
from twisted_libp2p.onuse import loadedOnUse

#: Prints which modules have been executed, of rooms that most nodes do not use.
LOADED = """
import sys
from importlib import import_module
import_module(sys.argv[1])
for room in ("dht.query", "discovery.mdns.packet", "pubsub.engine", "status.page"):
    print(room, "twisted_libp2p." + room in sys.modules)
"""

#: Prints the id of a key, and which modules that take long were executed for that.
IDS = """
import sys
from twisted_libp2p.script import idsOf
slow = ("twisted.logger", "twisted.python.failure", "importlib.abc")
peer = idsOf(sys.argv[1])["peer"]
print(peer, *(each for each in slow if each in sys.modules))
"""


class OnUseTests(SynchronousTestCase):
    """
    L{loadedOnUse} postpones the execution of modules.
    """

    def setUp(self) -> None:
        """
        Write a package whose modules record that they are executed.
        """
        root = Path(self.mktemp()).absolute()
        self.package = package = root / "onuse_example"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("executed = []\n")
        source = "from onuse_example import executed\nexecuted.append(__name__)\n"
        (package / "early.py").write_text(source)
        (package / "late.py").write_text(source + "number = 7\n")
        room = package / "room"
        room.mkdir()
        (room / "__init__.py").write_text(
            "from onuse_example.room.part import number\n"
        )
        (room / "part.py").write_text(source + "number = []\n")
        self.patch(sys, "path", [str(root), *sys.path])
        self.addCleanup(self._forget, dict(sys.modules))

    def _forget(self, before: dict[str, object]) -> None:
        for name in set(sys.modules) - set(before):
            if name.startswith("onuse_example"):
                del sys.modules[name]

    def test_first(self) -> None:
        """
        A module is executed when one of its names is used first, and once.
        """
        with loadedOnUse():
            from onuse_example import executed, late  # type: ignore[import-not-found]
        self.assertEqual(executed, [])
        self.assertEqual(late.number, 7)
        self.assertEqual(late.number, 7)
        self.assertEqual(executed, ["onuse_example.late"])

    def test_twice(self) -> None:
        """
        Two modules may name the same module; neither executes it.
        """
        for _ in range(2):
            with loadedOnUse():
                from onuse_example import executed, late
        self.assertEqual(executed, [])
        self.assertEqual(late.number, 7)

    def test_after(self) -> None:
        """
        After the block, modules are executed when they are imported.
        """
        with loadedOnUse():
            from onuse_example import executed
        from onuse_example import early

        self.assertEqual(executed, [early.__name__])

    def test_part(self) -> None:
        """
        A module of a package that waits is executed once, and is the one that the
        package has used.
        """
        with loadedOnUse():
            from onuse_example import executed, room
        from onuse_example.room.part import (  # type: ignore[import-not-found]
            number,
        )

        self.assertIs(room.number, number)
        self.assertEqual(executed, ["onuse_example.room.part"])

    def test_fault(self) -> None:
        """
        A module that cannot be executed fails at each use.
        """
        (self.package / "faulty.py").write_text("raise ValueError\n")
        with loadedOnUse():
            from onuse_example import faulty
        for _ in range(2):
            with self.assertRaises(ValueError):
                self.assertTrue(faulty.number)

    def test_missing(self) -> None:
        """
        A module that does not exist is missed at once.
        """
        with self.assertRaises(ImportError), loadedOnUse():
            from onuse_example import missing  # noqa: F401


class CommandLineTests(ProgramTestCase):
    """
    The programs load the rooms that they use.
    """

    async def test_id(self) -> None:
        """
        The id of a key is printed without a log, which takes as long to load as
        everything else, and without the abstract classes of importlib, which load a
        tenth.
        """
        identity = Identity.generate()
        identity.toFile(self.folder / "node.key")
        code, out, err = await self.execute("-c", IDS, "node.key")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, f"{identity.peerID}\n")

    async def test_rooms(self) -> None:
        """
        The command lines alone load no finding of peers, no topics, and no pages.
        """
        for program in ("twisted_libp2p.tap", "twisted_libp2p.__main__"):
            code, out, err = await self.execute("-c", LOADED, program)
            self.assertEqual((code, err), (0, ""))
            self.assertNotIn("True", out, program)
            self.assertEqual(out.count("False"), 4)
