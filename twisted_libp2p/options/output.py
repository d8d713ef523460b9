# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The result of a tool: lines for people, or one JSON object for programs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from twisted_libp2p.options.command import CommandOptions

__all__ = ["OutputOptions"]


class OutputOptions(CommandOptions):
    """
    The options of a tool that has a result.
    """

    optFlags: ClassVar[list[Any]] = [["json", None, "print one JSON object"]]

    def show(self, lines: Iterable[str], **facts: Any) -> None:
        """
        Print the result of the tool, as lines or with C{--json} as one object.

        @param lines: the result for people.
        @param facts: the members of the object.
        """
        for line in [json.dumps(facts)] if self["json"] else lines:
            print(line, flush=True)
