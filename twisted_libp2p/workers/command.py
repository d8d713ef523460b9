# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The program of a worker: C{twist} with the options of its supervisor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.reactors import Reactor, getReactorTypes
from twisted.application.twist._options import TwistOptions

__all__ = ["environment", "workerCommand"]


def reactorName(reactor: Any) -> str:
    """
    Return the name by which C{twist --reactor} finds a reactor.
    """
    module = type(reactor).__module__
    return next(
        (
            each.shortName
            for each in getReactorTypes()
            if isinstance(each, Reactor) and each.moduleName == module
        ),
        "default",
    )


def workerCommand(
    reactor: Any, parent: Mapping[str, Any] | None, given: Sequence[str]
) -> tuple[list[str], bool]:
    """
    Return the command that starts a worker, and whether its output has to be captured,
    because this program logs in a way of its own.

    @param reactor: the reactor of this process; a worker gets one of the same kind.
    @param parent: the options of C{twist}, or C{twistd}.
    @param given: the arguments after C{libp2p}.
    """
    options = [f"--reactor={reactorName(reactor)}"]
    capture = not isinstance(parent, TwistOptions)
    if isinstance(parent, TwistOptions):
        stream = {sys.stdout: "-", sys.stderr: "+"}
        file = parent["logFile"]
        options += [
            f"--log-level={parent['logLevel'].name}",
            f"--log-format={parent.get('logFormat', 'text')}",
            f"--log-file={stream.get(file) or file.name}",
        ]
    else:
        options.append("--log-format=text")
    return [sys.executable, "-m", "twisted", *options, "libp2p", *given], capture


def environment() -> dict[str, str]:
    """
    Return the environment of a worker, which finds modules where this process does.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
