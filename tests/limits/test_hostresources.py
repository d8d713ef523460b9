# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.hostresources}.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.limits import hostresources as machine
from twisted_libp2p.limits.limits import MIB

GIB = 1024 * MIB


class MachineTests(SynchronousTestCase):
    """
    What the system tells.
    """

    def test_memory(self) -> None:
        """
        The bound of a container counts if it is the lower one.
        """
        physical = machine.memory(Path(self.mktemp()))
        self.assertGreater(physical, MIB)
        for text, expected in (
            ("max\n", physical),
            ("1048576\n", MIB),
            (f"{physical * 2}\n", physical),
        ):
            root = self.root({"sys/fs/cgroup/memory.max": text})
            self.assertEqual(machine.memory(root), expected)

    def root(self, files: dict[str, str]) -> Path:
        """
        Make a tree of files, with C{proc} and C{sys} in it.
        """
        root = Path(self.mktemp())
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    def test_nested(self) -> None:
        """
        In a unified hierarchy the lowest bound of the group and of all groups
        around it holds, be it C{memory.max} or C{memory.high}.
        """
        mounts = (
            "24 1 0:22 / / rw - ext4 /dev/sda rw\n"
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
        )
        group = "sys/fs/cgroup/system.slice/node.service"
        for files, expected in (
            ({f"{group}/memory.max": "3000000\n"}, 3_000_000),
            (
                {
                    f"{group}/memory.max": "max\n",
                    "sys/fs/cgroup/system.slice/memory.max": "2000000\n",
                },
                2_000_000,
            ),
            (
                {
                    f"{group}/memory.max": "3000000\n",
                    f"{group}/memory.high": "1000000\n",
                },
                1_000_000,
            ),
        ):
            root = self.root(
                {
                    "proc/self/mountinfo": mounts,
                    "proc/self/cgroup": "0::/system.slice/node.service\n",
                }
                | files
            )
            self.assertEqual(machine.memory(root), expected)

    def test_elsewhere(self) -> None:
        """
        The hierarchy may be mounted anywhere, even where the path has a space,
        and a group of another mount's does not count.
        """
        root = self.root(
            {
                "proc/self/mountinfo": (
                    "30 24 0:26 / /my\\040groups rw - cgroup2 none rw\n"
                    "31 24 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                ),
                "proc/self/cgroup": "0::/a\n",
                "my groups/a/memory.max": "2000000\n",
                "sys/fs/cgroup/memory.max": "1000000\n",
            }
        )
        self.assertEqual(machine.memory(root), 2_000_000)

    def test_firstVersion(self) -> None:
        """
        Version 1 of control groups has a hierarchy of its own for memory, whose
        path may be that of the host where the container sees its group alone.
        """
        own = "9:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/abc\n0::/\n"
        top = "sys/fs/cgroup/memory"
        for base, files, expected in (
            ("/", {f"{top}/docker/abc/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
            (
                "/",
                {
                    f"{top}/docker/abc/memory.limit_in_bytes": "9223372036854771712\n",
                    f"{top}/docker/memory.limit_in_bytes": "1000000\n",
                },
                1_000_000,
            ),
            ("/docker/abc", {f"{top}/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
            ("/elsewhere", {f"{top}/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ):
            root = self.root(
                {
                    "proc/self/cgroup": own,
                    "proc/self/mountinfo": (
                        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                        f"35 31 0:32 {base} /{top} rw - cgroup cgroup"
                        " rw,hugetlb,memory\n"
                        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n"
                    ),
                }
                | files
            )
            self.assertEqual(machine.memory(root), expected)

    def test_strange(self) -> None:
        """
        What cannot be understood is left out.
        """
        physical = machine.memory(Path(self.mktemp()))
        for mounts, own in (
            ("nonsense\n\n1 2 - cgroup2\n - cgroup2 x\n", "nonsense\n0\n::\n"),
            ("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 x rw\n", "0::/../../other\n"),
        ):
            root = self.root(
                {
                    "proc/self/mountinfo": mounts,
                    "proc/self/cgroup": own,
                    "sys/fs/cgroup/memory.high": "0\n",
                    "sys/fs/cgroup/memory.max": "many\n",
                }
            )
            self.assertEqual(machine.memory(root), physical)

    def test_addressSpace(self) -> None:
        """
        A limit of the process counts as well.
        """
        self.patch(
            resource,
            "getrlimit",
            lambda what: (MIB if what == resource.RLIMIT_AS else 100, -1),
        )
        self.assertEqual(machine.memory(Path(self.mktemp())), MIB)

    def test_memoryUnknown(self) -> None:
        """
        Where the system does not tell, something is assumed.
        """

        def sysconf(name: str) -> int:
            raise ValueError(name)

        self.patch(os, "sysconf", sysconf)
        path = Path(self.mktemp())
        self.assertEqual(machine.memory(path), machine.ASSUMED_MEMORY)

    def test_descriptors(self) -> None:
        """
        The soft limit counts; no limit is a large number; and where there is no
        such thing, something is assumed.
        """
        for soft, expected in ((100, 100), (resource.RLIM_INFINITY, 1 << 20)):
            self.patch(resource, "getrlimit", lambda what, soft=soft: (soft, -1))
            self.assertEqual(machine.descriptors(), expected)
        self.patch(machine, "resource", None)
        self.assertEqual(machine.descriptors(), machine.ASSUMED_DESCRIPTORS)
