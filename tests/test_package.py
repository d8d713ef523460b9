# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the names that the package itself offers.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import twisted_libp2p


class PackageTests(SynchronousTestCase):
    """
    Every public name is there, and costs nothing before it is used.
    """

    def test_names(self) -> None:
        """
        Each name leads to what is called so.
        """
        for name in twisted_libp2p.__all__:
            value = getattr(twisted_libp2p, name)
            if name != "__version__":
                self.assertEqual(value.__name__, name)

    def test_noSuchName(self) -> None:
        """
        Other names are not there.
        """
        with self.assertRaises(AttributeError):
            twisted_libp2p.nothing  # noqa: B018

    def test_script(self) -> None:
        """
        The version and the ids of a key are printed without a reactor, or a node.
        """
        program = (
            "import sys; sys.argv = ['libp2p', *sys.argv[1:]];"
            "from twisted_libp2p.script import script; script();"
            "heavy = 'twisted.internet.reactor', 'twisted_libp2p.node';"
            "print([each for each in heavy if each in sys.modules])"
        )
        path = self.mktemp()
        identity = twisted_libp2p.Identity.generate()
        identity.toFile(path)
        run = [sys.executable, "-c", program]
        version = subprocess.check_output([*run, "--version"], text=True)
        self.assertEqual(version, f"twisted_libp2p {twisted_libp2p.__version__}\n[]\n")
        lines = subprocess.check_output([*run, "id", path], text=True).splitlines()
        self.assertEqual((lines[0], lines[3]), (str(identity.peerID), "[]"))

    def test_brokenKey(self) -> None:
        """
        A file that is not a key is one line on stderr, and the code 1.
        """
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("no key")
        program = "from twisted_libp2p.script import script; script()"
        done = subprocess.run(
            [sys.executable, "-c", program, "id", path], capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith("libp2p: "), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_noUnixSockets(self) -> None:
        """
        The programs are there on systems without Unix sockets.
        """
        program = (
            "import socket; del socket.AF_UNIX;"
            "import twisted_libp2p.tap, twisted_libp2p.__main__"
        )
        subprocess.check_call([sys.executable, "-c", program])

    def test_unread(self) -> None:
        """
        If nobody reads what is printed it ends without a word; a full disk is one line.
        """
        path = self.mktemp()
        twisted_libp2p.Identity.generate().toFile(path)
        program = "from twisted_libp2p.script import script; script()"
        reading, unread = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, unread)
        for arguments in (["--version"], ["id", path], ["keygen", "--help"]):
            run = [sys.executable, "-c", program, *arguments]
            done = subprocess.run(run, stdout=unread, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (141, b""))
            if os.path.exists("/dev/full"):
                with open("/dev/full", "w") as full:
                    done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, rb"\Alibp2p: .*space.*\n\Z")

    def test_light(self) -> None:
        """
        Importing the package imports no reactor, nor even Twisted.
        """
        program = "import sys, twisted_libp2p; print('twisted' in sys.modules)"
        answer = subprocess.check_output([sys.executable, "-c", program])
        self.assertEqual(answer.strip(), b"False")
