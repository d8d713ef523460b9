# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tools, called in the process of the test: to start one takes longer than most of
what they do.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

from twisted.internet import reactor

from twisted_libp2p import __main__
from twisted_libp2p.options import ToolOptions

__all__ = ["callTool"]


async def callTool(*arguments: str) -> list[str]:
    """
    Run a tool that needs a reactor.

    @return: the lines that it prints.
    @raise UsageError: the arguments are wrong.
    @raise Libp2pError: the tool has failed.
    """
    options = ToolOptions()
    options.parseOptions(arguments)
    out = StringIO()
    with redirect_stdout(out):
        await __main__._networked(str(options.subCommand))(reactor, options.subOptions)
    return out.getvalue().splitlines()
