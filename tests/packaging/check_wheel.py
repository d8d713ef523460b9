# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Check what users get: build the wheel, install it into a clean environment,
and ask Twisted for the plugin from a folder that is not the checkout.

    python tests/packaging/check_wheel.py

Whatever is wrong with the packaging is invisible to tests that run in a
checkout.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = (
    "twisted/plugins/libp2p_plugins.py",
    "twisted_libp2p/__init__.py",
    "twisted_libp2p/py.typed",
)
ENDPOINTS = """
from twisted.internet import reactor
from twisted.internet.endpoints import clientFromString, serverFromString

peer = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
serverFromString(reactor, "libp2p:/ip4/127.0.0.1/tcp/0:protocol=/echo/1.0.0")
clientFromString(
    reactor, f"libp2p:/ip4/127.0.0.1/tcp/4001/p2p/{peer}:protocol=/echo/1.0.0"
)
"""


def build(folder: Path) -> Path:
    """
    Build the source distribution, and the wheel from that.
    """
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def run(*command: str | Path, cwd: Path) -> str:
    """
    Run a command; where it fails, end with what it had to say.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def checkContents(wheel: Path) -> None:
    """
    The wheel has the plugin, the package, its messages and their types, and
    nothing of the checkout besides.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = (ROOT / "twisted_libp2p").rglob("*")
    missing = {
        str(path.relative_to(ROOT))
        for path in sources
        if path.suffix in (".py", ".pyi", ".proto")
    }
    missing |= set(WANTED)
    missing -= names
    if missing:
        sys.exit(f"not in the wheel: {sorted(missing)}")
    tops = {name.partition("/")[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    if tops != {"twisted", "twisted_libp2p", metadata}:
        sys.exit(f"the wheel has more than the package: {sorted(tops)}")
    if not any(name.endswith("/LICENSE") for name in names):
        sys.exit("the wheel has no license")


def checkTypes(scripts: Path, folder: Path) -> None:
    """
    The examples, and a tour of the calls of the manual, are typed for a user who has
    mypy without a plugin.  Calls of Twisted's own functions without annotations are
    allowed.
    """
    run(scripts / "pip", "install", "--quiet", "mypy", "twisted[conch]", cwd=folder)
    typed = folder / "typed"
    typed.mkdir()
    examples = ROOT / "examples"
    tour = ROOT / "tests" / "packaging" / "tour.py"
    for program in (*examples.glob("*.py"), *examples.glob("programs/*"), tour):
        if program.suffix in (".py", ".tac"):
            (typed / f"{program.stem}.py").write_text(program.read_text())
    strict = ("--strict", "--allow-untyped-calls", "--config-file=")
    run(scripts / "mypy", *strict, typed, cwd=folder)


def main() -> None:
    """
    Run all checks, in a folder that is gone afterwards.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        checkContents(wheel)
        venv.create(folder / "clean", symlinks=True, with_pip=True)
        scripts = folder / "clean" / "bin"
        run(scripts / "pip", "install", "--quiet", wheel, cwd=folder)
        for command in ("twist", "twistd"):
            if " libp2p " not in run(scripts / command, "--help", cwd=folder):
                sys.exit(f"{command} --help does not list libp2p")
        run(scripts / "twist", "libp2p", "--help", cwd=folder)
        run(scripts / "libp2p", "keygen", "key", cwd=folder)
        run(scripts / "python", "-c", ENDPOINTS, cwd=folder)
        checkTypes(scripts, folder)
        print(f"{wheel.name}: twist, twistd, libp2p and both endpoint strings work")


if __name__ == "__main__":
    main()
