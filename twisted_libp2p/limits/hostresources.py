# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The memory and the descriptors that the machine, or its container, gives to this
process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

try:
    import resource
except ImportError:  # Windows.
    resource = None  # type: ignore[assignment]

__all__ = ["descriptors", "memory"]

#: The assumptions where the system does not say.
ASSUMED_MEMORY = 1 << 30
ASSUMED_DESCRIPTORS = 512

#: The files with the bounds of a control group, by the type of its file system: the
#: bound at which the kernel kills, and the one at which it makes the process wait.
_BOUNDS = {
    "cgroup2": ("memory.max", "memory.high"),
    "cgroup": ("memory.limit_in_bytes",),
}

#: The folders of these file systems if C{mountinfo} does not say.
_USUAL = (("cgroup2", "sys/fs/cgroup"), ("cgroup", "sys/fs/cgroup/memory"))


def memory(root: Path = Path("/")) -> int:
    """
    Return the bytes of memory that this process can have: those of the machine, or
    fewer if the process, its control group, or any group around that has a lower
    bound.

    @param root: the folder of C{proc} and C{sys}.
    """
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        physical = ASSUMED_MEMORY
    bounds = [physical, *_groupBounds(root)]
    if resource is not None:
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            bounds.append(soft)
    return min(bounds)


def descriptors() -> int:
    """
    Return the number of files and sockets that this process may have open.
    """
    if resource is None:
        return ASSUMED_DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def _groupBounds(root: Path) -> Iterator[int]:
    """
    Yield the bounds of the control group of this process, and of each group around
    it: the kernel enforces all of them.
    """
    for kind, top, group in _groups(root):
        inside = [group, *group.parents]
        for folder in inside[: inside.index(top) + 1]:
            for name in _BOUNDS[kind]:
                try:
                    bound = int((folder / name).read_text())
                except (OSError, ValueError):
                    # The file does not exist, or it says "max".
                    continue
                if bound > 0:
                    yield bound


def _groups(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """
    Find the control groups of this process that bound memory.

    @return: for each hierarchy its type, the folder where it is mounted, and the
        folder of the group, which is the same in most containers.
    """
    own = dict(_ownGroups(root))
    mounts = list(_mounts(root))
    for kind, base, top in mounts:
        path = own.get(kind)
        group = top
        if path is not None and ".." not in path.parts:
            # Otherwise the path is that of the host, and the container sees its
            # own group alone.
            with suppress(ValueError):
                group = top / path.relative_to(base)
        yield kind, top, group
    if not mounts:
        for kind, usual in _USUAL:
            yield kind, root / usual, root / usual


def _ownGroups(root: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """
    Read the paths of the groups of this process.

    @return: the type of the hierarchy, and the path in it.
    """
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield "cgroup2", PurePosixPath(path)
        elif "memory" in controllers.split(","):
            yield "cgroup", PurePosixPath(path)


def _mounts(root: Path) -> Iterator[tuple[str, PurePosixPath, Path]]:
    """
    Find the mounted hierarchies that bound memory.

    @return: the type of each, the path of the mounted group, and the folder.
    """
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, source = line.partition(" - ")
        kind, _, options = source.partition(" ")
        fields = mount.split(" ")
        if kind not in _BOUNDS or len(fields) < 5:
            continue
        if kind == "cgroup" and "memory" not in re.split("[ ,]", options):
            continue
        base, where = (
            re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), each)
            for each in fields[3:5]
        )
        yield kind, PurePosixPath(base), root / where.lstrip("/")


def _lines(path: Path) -> list[str]:
    """
    Read the lines of a file that may not be there.
    """
    try:
        return path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
