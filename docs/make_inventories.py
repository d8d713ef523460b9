# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Write the inventories by which pydoctor links to other projects' documentation.

Usually they are fetched from the network.  Here they are made of what is
installed, so that the check works offline, and fails where a docstring names
what the installed version does not have.

    python docs/make_inventories.py PACKAGE FOLDER

writes one C{.inv} file a project into the folder, with the public names of all
modules that the package's sources import, or name in full in a docstring.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from zope.interface.interface import InterfaceClass

# For each project, where a name is documented, below the address that setup.cfg
# gives: {page} is the module or the top level class of it.
PROJECTS = {
    "cryptography": "{path}/#{name}",
    "python": "library/{module}.html#{name}",
    "twisted": "{page}.html#{member}",
    "zope": "api/index.html#{name}",
}
HEADER = b"""\
# Sphinx inventory version 2
# Project: %s
# Version: 0
# The remainder of this file is compressed using zlib.
"""
LINK = re.compile(r"L\{(?:[^{}<]*<)?([\w.]+)>?\}")


def projectOf(name: str) -> str | None:
    """
    @return: the key of the project that a dotted name belongs to, if any.
    """
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return "python"
    return top if top in PROJECTS else None


def references(source: str) -> Iterator[str]:
    """
    @return: the full names that a module imports, or links to.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    yield from LINK.findall(source)


def moduleOf(name: str) -> ModuleType | None:
    """
    @return: the innermost module of a dotted name.
    """
    module = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            break
    return module


def entries(module: ModuleType) -> Iterator[tuple[str, str, str, str]]:
    """
    @return: for the module and each public name in it: the name, its role, its
        page, and its place on the page.
    """
    prefix = "" if module is builtins else module.__name__ + "."
    yield module.__name__, "module", module.__name__, ""
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        full = prefix + name
        if isinstance(value, InterfaceClass):
            members = sorted(value.names(all=True))
        elif inspect.isclass(value):
            members = [member for member in dir(value) if not member.startswith("_")]
        else:
            yield full, "function", module.__name__, name
            continue
        yield full, "class", full, ""
        for member in members:
            yield f"{full}.{member}", "method", full, member


def pageOfBuiltin(name: str) -> str:
    """
    @return: where Python's library reference tells of a built-in name.
    """
    value = getattr(builtins, name.partition(".")[0], None)
    if inspect.isclass(value):
        return "exceptions" if issubclass(value, BaseException) else "stdtypes"
    return "functions" if callable(value) else "constants"


def inventory(project: str, modules: dict[str, ModuleType]) -> bytes:
    """
    @return: a Sphinx inventory, version 2.
    """
    lines = []
    for moduleName, module in sorted(modules.items()):
        for name, role, page, member in entries(module):
            place = PROJECTS[project].format(
                module=pageOfBuiltin(name) if module is builtins else moduleName,
                path="/".join(moduleName.split(".")[1:]),
                name=name,
                page=page,
                member=member,
            )
            lines.append(f"{name} py:{role} 1 {place} -\n")
    return HEADER % project.encode() + zlib.compress("".join(lines).encode())


def main(package: Path, folder: Path) -> None:
    """
    Write the inventory of each project.
    """
    found: dict[str, dict[str, ModuleType]] = {project: {} for project in PROJECTS}
    found["python"]["builtins"] = builtins
    for path in package.rglob("*.py"):
        for name in references(path.read_text()):
            project = projectOf(name)
            module = moduleOf(name) if project else None
            if project and module:
                found[project][module.__name__] = module
    folder.mkdir(parents=True, exist_ok=True)
    for project, modules in found.items():
        (folder / f"{project}.inv").write_bytes(inventory(project, modules))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
