# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Build the test peers, each once for every state of its sources.

From the command line, at the root of the repository::

    python -m tests.interop.peers.build go rust

builds the named ones, or all without a name, and prints the command that
starts each.  A peer whose toolchain is missing is left out, and a line says
why; that is a failure only if C{LIBP2P_INTEROP_REQUIRE} names it (C{go,js}).
C{NODE} is the path of another Node than the one that is found first.

A peer is built in a temporary directory of the cache, which then takes the name
that is made of the hash of its sources.  So a directory of that name is whole,
the second build finds it, and two builds at the same time do no harm.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.interop.peers.toolchain import (
    BuildFailed,
    findTool,
    missingTool,
    requiredTool,
    runStep,
    succeeds,
)

__all__ = [
    "DEFAULT_CACHE",
    "PEERS",
    "BuildFailed",
    "available",
    "build",
    "main",
    "required",
]

SOURCES = Path(__file__).resolve().parent
DEFAULT_CACHE = SOURCES.parents[2] / ".cache" / "interop"


class _Peer(ABC):
    """
    How to build and to start one peer.

    @ivar name: the name of the peer and of the directory of its sources
    @ivar patterns: which files of that directory are its sources
    @ivar folder: where that directory is
    """

    name: str
    patterns: Sequence[str]
    folder: Path = SOURCES

    @abstractmethod
    def missing(self) -> str | None:
        """
        @return: C{None} if this peer can be built and run, or why not
        """

    @abstractmethod
    def buildInto(self, target: Path) -> None:
        """
        Build this peer.

        @param target: an empty directory
        @raise BuildFailed: it could not be built
        """

    @abstractmethod
    def command(self, target: Path) -> list[str]:
        """
        @param target: the directory that it was built in
        @return: the first part of the command line that starts it
        """

    def sources(self) -> list[Path]:
        """
        @return: the files that this peer is made of, in a fixed order
        """
        directory = self.folder / self.name
        return sorted(path for each in self.patterns for path in directory.glob(each))

    def machine(self) -> str:
        """
        @return: what it is built on, as far as that goes into what is built
        """
        return f"{sys.platform} {platform.machine()}"

    def digest(self) -> str:
        """
        @return: what changes as soon as a source or the kind of machine does
        """
        digest = hashlib.sha256(self.machine().encode())
        for path in self.sources():
            content = path.read_bytes()
            digest.update(f"\0{path.name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()[:16]


class _GoPeer(_Peer):
    """
    The peer on go-libp2p: one binary.
    """

    name = "go"
    patterns = ("*.go", "go.mod", "go.sum")

    def missing(self) -> str | None:
        wanted = re.search(
            r"^go ([\d.]+)$", (SOURCES / self.name / "go.mod").read_text(), re.MULTILINE
        )
        assert wanted is not None
        return missingTool("go", ["env", "GOVERSION"], wanted[1])

    def buildInto(self, target: Path) -> None:
        flags = ("-trimpath", "-buildvcs=false", "-o", str(target / "peer"))
        runStep([requiredTool("go"), "build", *flags, "."], SOURCES / self.name)

    def command(self, target: Path) -> list[str]:
        return [str(target / "peer")]


class _Pebble(_GoPeer):
    """
    Pebble, an authority that speaks ACME: one binary, and no peer.
    """

    name = "pebble"


class _Rendezvous(_GoPeer):
    """
    The points and clients of go-libp2p-rendezvous: one binary, with packages of its
    own, so that the peer on go-libp2p does not have them.
    """

    name = "rendezvous"


class _JavaScriptPeer(_Peer):
    """
    The peer on js-libp2p: its sources beside the packages that they import.
    """

    name = "js"
    patterns: Sequence[str] = ("*.mjs", "package.json", "package-lock.json")

    def missing(self) -> str | None:
        return missingTool("node", ["--version"], "20") or (
            None if findTool("npm") else "npm was not found"
        )

    def buildInto(self, target: Path) -> None:
        for path in self.sources():
            shutil.copy(path, target)
        flags = ("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
        runStep([requiredTool("npm"), "ci", *flags], target)

    def command(self, target: Path) -> list[str]:
        # Node 20 has the WebSocket of browsers only if it is asked for.
        return [
            requiredTool("node"),
            "--experimental-websocket",
            str(target / "peer.mjs"),
        ]


class _BrowserPage(_JavaScriptPeer):
    """
    The page of C{examples/browser}, whose peer is js-libp2p in a browser, and beside it
    a page for what tests do with this peer.  The command serves them.
    """

    name = "browser"
    patterns = (".npmrc", "*.html", "*.css", "*.py", *_JavaScriptPeer.patterns)
    folder = SOURCES.parents[2] / "examples"

    def sources(self) -> list[Path]:
        tasks = (SOURCES / self.name).glob("tasks.*")
        return [*super().sources(), *sorted(tasks)]

    def buildInto(self, target: Path) -> None:
        for path in self.sources():
            shutil.copy(path, target)
        flags = ("--ignore-scripts", "--no-audit", "--no-fund")
        runStep([requiredTool("npm"), "ci", *flags], target)
        runStep([requiredTool("npm"), "run", "build"], target)
        bundle = ("--bundle", "--format=esm", "--platform=browser", "--outdir=build")
        runStep(["node_modules/.bin/esbuild", "tasks.mjs", *bundle], target)
        shutil.copy(target / "tasks.html", target / "build")

    def command(self, target: Path) -> list[str]:
        return [sys.executable, str(target / "serve.py")]


class _PythonPeer(_Peer):
    """
    The peer on py-libp2p: its sources beside a virtual environment of its own,
    made by the Python that runs this.
    """

    name = "py"
    patterns = ("*.py", "requirements.txt")

    # One of the packages comes as C; what it includes, and where that is found.
    headers: Mapping[str, str] = {"Python.h": "python3-dev", "gmp.h": "libgmp-dev"}

    def machine(self) -> str:
        return f"{super().machine()} {platform.python_version()} {sys.base_prefix}"

    def missing(self) -> str | None:
        if importlib.util.find_spec("ensurepip") is None:
            return "the Python module ensurepip was not found (python3-venv)"
        compiler = findTool("cc") or findTool("gcc")
        if compiler is None:
            return "gcc was not found"
        include = f"-I{sysconfig.get_path('include')}"
        for header, package in self.headers.items():
            program = f"#include <{header}>\n"
            if not succeeds([compiler, include, "-E", "-xc", "-"], program):
                return f"{header} was not found ({package})"
        return None

    def buildInto(self, target: Path) -> None:
        for path in self.sources():
            shutil.copy(path, target)
        environment = target / "environment"
        runStep([sys.executable, "-m", "venv", str(environment)], target)
        flags = ("--quiet", "--no-deps", "--requirement", "requirements.txt")
        runStep([*self._python(target), "-m", "pip", "install", *flags], target)

    def command(self, target: Path) -> list[str]:
        return [*self._python(target), str(target / "peer.py")]

    def _python(self, target: Path) -> list[str]:
        """
        @param target: the directory that it is built in
        @return: what starts its Python
        """
        return [str(target / "environment" / "bin" / "python")]


class _RustPeer(_Peer):
    """
    The peer on rust-libp2p: one binary.

    What cargo makes of the packages stays in the cache, for the next state of
    the sources; cargo itself sees to it that builds do not meet there.
    """

    name = "rust"
    patterns = ("src/*.rs", "Cargo.toml", "Cargo.lock")

    def missing(self) -> str | None:
        wanted = re.search(
            r'^rust-version = "([\d.]+)"$',
            (SOURCES / self.name / "Cargo.toml").read_text(),
            re.MULTILINE,
        )
        assert wanted is not None
        return missingTool("cargo", ["--version"], wanted[1]) or (
            None if findTool("cc") else "cc was not found"
        )

    def buildInto(self, target: Path) -> None:
        made = target.parent / f"{self.name}-packages"
        flags = ("--release", "--locked", "--quiet", "--target-dir", str(made))
        runStep([requiredTool("cargo"), "build", *flags], SOURCES / self.name)
        shutil.copy(made / "release" / "peer", target)

    def command(self, target: Path) -> list[str]:
        return [str(target / "peer")]


class _Machines(_RustPeer):
    """
    The machines of rust-libp2p, which need no network: one binary, and no peer.
    """

    name = "machines"


class _RustWebRTC(_RustPeer):
    """
    The peer on rust-libp2p over WebRTC: one binary of its own, with modules of the
    other, since the packages are an alpha version and many.
    """

    name = "rustrtc"

    def sources(self) -> list[Path]:
        shared = (self.folder / _RustPeer.name).glob("src/*.rs")
        return [*super().sources(), *sorted(shared)]


PEERS: Mapping[str, _Peer] = {
    peer.name: peer
    for peer in (_GoPeer(), _JavaScriptPeer(), _PythonPeer(), _RustPeer())
}

_ALL: Mapping[str, _Peer] = {
    **PEERS,
    **{
        each.name: each
        for each in (
            _BrowserPage(),
            _Machines(),
            _Pebble(),
            _Rendezvous(),
            _RustWebRTC(),
        )
    },
}


def available(name: str) -> str | None:
    """
    Say whether the toolchain of a peer is there.

    @param name: the name of a peer
    @return: C{None} if it is, or the reason why the peer cannot be built
    """
    return _ALL[name].missing()


def required(name: str) -> bool:
    """
    Say whether a peer has to be there.

    @param name: the name of a peer
    """
    return name in os.environ.get("LIBP2P_INTEROP_REQUIRE", "").split(",")


def build(name: str, cache: Path = DEFAULT_CACHE) -> list[str]:
    """
    Build a peer, unless this very one has been built already.

    @param name: the name of a peer
    @param cache: the directory that keeps what was built
    @return: the first part of the command line that starts the peer
    @raise BuildFailed: it could not be built
    """
    peer = _ALL[name]
    target = cache.resolve() / f"{name}-{peer.digest()}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        try:
            peer.buildInto(unfinished)
            try:
                unfinished.rename(target)
            except OSError:
                # Another process was faster.
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return peer.command(target)


def main(arguments: Sequence[str]) -> int:
    """
    Build what the command line names.

    @param arguments: names of peers; none of them means all
    @return: the exit status
    """
    failures = 0
    for name in arguments or list(_ALL):
        if name not in _ALL:
            print(f"{name}: there is no such peer", file=sys.stderr)
            failures += 1
            continue
        reason = available(name)
        if reason is not None:
            print(f"{name}: left out: {reason}", file=sys.stderr)
            failures += required(name)
            continue
        try:
            print(f"{name}: {shlex.join(build(name))}", flush=True)
        except BuildFailed as error:
            print(f"{name}: {error}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
