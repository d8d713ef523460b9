# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests that the package stays simple: short files, short functions, few branches, no
way past the types, and no circle of imports.

The rules are read off the syntax trees of the package; nothing is imported.  Each
rule yields faults as texts, C{"file: name"} or C{"file:line: text"}.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from twisted.trial.unittest import SynchronousTestCase

from tests.test_architecture import PACKAGE, ROOT, imports

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

#: Lines of a file, docstrings and comments included.
MAX_FILE = 500

#: Lines of a function, its docstring not counted.
MAX_FUNCTION = 60

#: Cyclomatic complexity of a function, counted as radon does.
MAX_COMPLEXITY = 15

#: Each file that may probe an object with C{getattr} or C{hasattr}, how often, and
#: why no contract can take the place of the probe.
PROBES = {
    "__init__.py": (1, "the public names are imported when they are first used"),
    "__main__.py": (2, "closed standard streams are None; a tool names its function"),
    "address/peeraddress.py": (2, "transports and requests of any server of Twisted"),
    "connmanager/policy.py": (1, "one check for all fields of a dataclass"),
    "control/server.py": (1, "SO_PEERCRED is not everywhere"),
    "options/command.py": (2, "usage.Options finds options and subcommands by name"),
    "peerstore/backends.py": (1, "os.statvfs does not exist on Windows"),
    "printable.py": (1, "one representation for all fields of a dataclass"),
    "protocols/forward.py": (2, "the other side is a transport of any endpoint"),
    "status/guard.py": (1, "an IPv4Address has no ipv4_mapped"),
    "status/observer.py": (1, "some events are about a peer, some are not"),
    "testing/muxer/data.py": (1, "a parameter names the method to call"),
    "transport/loopback.py": (1, "a reactor proxy passes on all other attributes"),
    "transport/names.py": (3, "reactors and errors of other packages"),
    "transport/ports.py": (
        2,
        "a reactor proxy; SO_REUSEPORT is not everywhere",
    ),
    "transport/resolved.py": (1, "a reactor proxy"),
    "transport/tcp.py": (1, "a listening port of any reactor"),
}

#: Faults that are still to be fixed.  The list may only get shorter: an entry that is
#: no longer at fault fails the test.
PENDING: set[str] = set()


def functions(tree: ast.AST) -> Iterator[Function]:
    """
    Find all functions of a module, methods and nested ones included.
    """
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def ownNodes(function: Function) -> Iterator[ast.AST]:
    """
    Walk a function, but not into the functions and classes inside it.
    """
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def complexity(function: Function) -> int:
    """
    Count the independent paths through a function: one, and one more for each
    branch, loop, handler, assertion, comprehension, lambda and boolean operator.
    """
    count = 1
    for node in ownNodes(function):
        if isinstance(
            node,
            ast.If | ast.IfExp | ast.ExceptHandler | ast.Assert | ast.match_case
            | ast.Lambda,
        ):  # fmt: skip
            count += 1
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            count += 1 + bool(node.orelse)
        elif isinstance(node, ast.Try):
            count += bool(node.orelse)
        elif isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
    return count


def length(function: Function) -> int:
    """
    Count the lines of a function without its docstring.
    """
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        assert docstring.end_lineno is not None
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def faults(name: str, source: str) -> Iterator[str]:
    """
    Find what is too big, too branched or past the types in a module.

    @param name: its path inside the package.
    @param source: its text.
    """
    lines = source.count("\n")
    if lines > MAX_FILE:
        yield f"{name}: over {MAX_FILE} lines"
    tree = ast.parse(source)
    for function in functions(tree):
        if length(function) > MAX_FUNCTION:
            yield f"{name}: {function.name} has over {MAX_FUNCTION} lines"
        if complexity(function) > MAX_COMPLEXITY:
            yield f"{name}: {function.name} has a complexity over {MAX_COMPLEXITY}"
    for found in re.findall(r"\w+: Any = self\.\w+", source):
        yield f"{name}: {found}"
    probes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
    ]
    allowed, _ = PROBES.get(name, (0, ""))
    if len(probes) > allowed:
        yield f"{name}: {len(probes)} probes with getattr or hasattr, not {allowed}"


def sources(root: Path) -> dict[str, str]:
    """
    Read all modules of a package that are written by hand.

    @return: the texts by their paths inside the package.
    """
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*.py"))
        if not path.name.endswith("_pb2.py")
    }


def importGraph(modules: dict[str, str]) -> dict[str, set[str]]:
    """
    Find which module of a package imports which other one while it is loaded.

    @param modules: the texts of the modules by their paths.
    @return: the dotted names of the imported modules by those of the importing
        ones.
    """
    names = {
        ".".join([PACKAGE, *Path(path).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in modules
    }
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        for found in imports(modules[path], package):
            target = found.name
            while target and target not in names:
                target = target.rpartition(".")[0]
            if target and target != name and not (found.typesOnly or found.nested):
                graph[name].add(target)
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """
    Find modules that import each other in a circle.

    @return: the modules of one circle in their order, or none.
    """
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name not in done:
            for target in sorted(graph[name]):
                if found := visit(target, [*path, name]):
                    return found
            done.add(name)
        return []

    for name in sorted(graph):
        if found := visit(name, []):
            return found
    return []


class PackageTests(SynchronousTestCase):
    """
    The package keeps the rules.
    """

    def test_faults(self) -> None:
        """
        No module breaks a rule, except for the pending faults, all of which still
        exist.
        """
        found = {
            fault
            for name, source in sources(ROOT / PACKAGE).items()
            for fault in faults(name, source)
        }
        self.assertEqual(sorted(found - PENDING), [])
        self.assertEqual(sorted(PENDING - found), [], "fixed: remove from PENDING")

    def test_probes(self) -> None:
        """
        Each permitted probe exists.
        """
        modules = sources(ROOT / PACKAGE)
        counts = {
            name: len(re.findall(r"\b(?:getattr|hasattr)\(", modules.get(name, "")))
            for name in PROBES
        }
        self.assertEqual(counts, {name: count for name, (count, _) in PROBES.items()})

    def test_circle(self) -> None:
        """
        No modules import each other in a circle.
        """
        self.assertEqual(circle(importGraph(sources(ROOT / PACKAGE))), [])


class RuleTests(SynchronousTestCase):
    """
    Each rule finds a module that is made to break it.
    """

    def test_file(self) -> None:
        """
        A file may have 500 lines.
        """
        self.assertEqual(list(faults("a.py", "\n" * 500)), [])
        self.assertEqual(list(faults("a.py", "\n" * 501)), ["a.py: over 500 lines"])

    def test_function(self) -> None:
        """
        A function may have 60 lines and a docstring.
        """
        for lines, found in ((59, []), (60, ["a.py: f has over 60 lines"])):
            source = 'def f():\n    """\n    Count.\n    """\n' + "    a = 1\n" * lines
            self.assertEqual(list(faults("a.py", source)), found)

    def test_complexity(self) -> None:
        """
        Branches, loops, handlers, comprehensions and boolean operators count, but
        not those of nested functions.
        """
        source = (
            "def f(a, b):\n"
            "    if a and b or a:\n"  # 1, and 2 for the operators
            "        for c in a:\n"  # 1
            "            pass\n"
            "        else:\n"  # 1
            "            pass\n"
            "    try:\n"
            "        while a:\n"  # 1
            "            pass\n"
            "    except KeyError:\n"  # 1
            "        return [c for c in a if c if b]\n"  # 3
            "    def g():\n"
            "        return 1 if a else 2\n"
            "    match a:\n"
            "        case 1:\n"  # 1
            "            return 1 if a else 2\n"  # 1
        )
        outer, inner = functions(ast.parse(source))
        self.assertEqual((complexity(outer), complexity(inner)), (13, 2))
        branchy = "def f(a):\n" + "    if a: pass\n" * 15
        self.assertEqual(
            list(faults("a.py", branchy)), ["a.py: f has a complexity over 15"]
        )

    def test_types(self) -> None:
        """
        An attribute is not assigned to a name of any type.
        """
        source = "def f(self):\n    transport: Any = self.transport\n"
        self.assertEqual(
            list(faults("a.py", source)), ["a.py: transport: Any = self.transport"]
        )

    def test_probe(self) -> None:
        """
        An object is not asked for what it may not have.
        """
        self.assertEqual(
            list(faults("a.py", "hasattr(a, 'b')\ngetattr(a, 'b')()\n")),
            ["a.py: 2 probes with getattr or hasattr, not 0"],
        )

    def test_circle(self) -> None:
        """
        A circle of imports is found, through packages and relative names, unless
        an import of it is for types only.
        """
        modules = {
            "a/__init__.py": "from .b import c\n",
            "a/b.py": "from ..d import e\n",
            "d.py": f"from {PACKAGE}.a import c\n",
        }
        graph = importGraph(modules)
        self.assertEqual(
            circle(graph), [f"{PACKAGE}.a", f"{PACKAGE}.a.b", f"{PACKAGE}.d"]
        )
        modules["d.py"] = f"if TYPE_CHECKING:\n    from {PACKAGE}.a import c\n"
        self.assertEqual(circle(importGraph(modules)), [])
