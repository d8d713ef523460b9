# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A real browser: Firefox ESR, driven by its own protocol, Marionette.

Where there is none the tests are skipped, unless C{LIBP2P_REQUIRE} names
C{firefox}: then they fail.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from tests.needs import skipWithout
from tests.processes import Program
from tests.status.chromium import awaiting

__all__ = ["Firefox", "findFirefox"]

_FLAGS = (
    "--headless",
    "--no-remote",
    "--marionette",
    "--remote-allow-system-access",
)

#: The port of Marionette is any that is free.
_PREFERENCES = 'user_pref("marionette.port", 0);\n'

#: The preference that overrides the colors of the system.
_COLORS = "layout.css.prefers-color-scheme.content-override"

#: Milliseconds that a script may take on a slow machine.
_LIMIT = 120_000

#: Gives what a promise gives, as a script of Marionette does.
_SCRIPT = """
const [done] = [...arguments].slice(-1);
Promise.resolve().then(() => (%s)).then(
    value => done({value}), error => done({error: String(error)}));
"""


def findFirefox() -> str:
    """
    @return: where the program is.
    @raise SkipTest: nowhere.
    """
    path = shutil.which("firefox-esr")
    if path is None:
        skipWithout(
            "firefox", "Firefox ESR is not installed: apt-get install firefox-esr"
        )
    return path


class Marionette(Protocol):
    """
    The client of Marionette: messages of JSON, each after its length in bytes.
    """

    transport: Any

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._waiting: dict[int, Deferred[Any]] = {}

    def ask(self, name: str, **parameters: Any) -> Deferred[Any]:
        """
        Send a command.

        @return: fires with the answer.
        """
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self.transport.write(b"%d:%s" % (len(message), message))
        waiting = self._waiting[self._number] = Deferred()
        return waiting

    def dataReceived(self, data: bytes) -> None:
        """
        Take answers.
        """
        self._rest += data
        while True:
            length, colon, rest = self._rest.partition(b":")
            if not colon or len(rest) < int(length):
                return
            message, self._rest = rest[: int(length)], rest[int(length) :]
            self._answered(json.loads(message))

    def _answered(self, message: Any) -> None:
        if isinstance(message, dict):
            # The greeting, which names the version of the protocol.
            return
        _, number, error, result = message
        waiting = self._waiting.pop(number)
        if error is not None:
            waiting.errback(AssertionError(error))
        else:
            waiting.callback(result)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Fail what has no answer.
        """
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.errback(AssertionError("Firefox has ended"))


class Firefox:
    """
    A browser with one page.
    """

    def __init__(self) -> None:
        self._program = Program()
        self._driver = Marionette()

    async def start(self, folder: Path) -> str:
        """
        Start the browser, which accepts any certificate.

        @param folder: the one for its profile, which is made.
        @return: its version.
        """
        folder.mkdir()
        (folder / "user.js").write_text(_PREFERENCES)
        path = findFirefox()
        reactor.spawnProcess(
            self._program,
            path,
            [path, *_FLAGS, "--profile", str(folder), "about:blank"],
            {**os.environ, "HOME": str(folder)},
        )
        port = await self._program.says(r"Marionette\s+INFO\s+Listening on port (\d+)")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", int(port))
        await connectProtocol(endpoint, self._driver)
        answer = await self._driver.ask(
            "WebDriver:NewSession",
            acceptInsecureCerts=True,
            timeouts={"script": _LIMIT, "pageLoad": _LIMIT},
        )
        version = answer["capabilities"]["browserVersion"]
        assert isinstance(version, str)
        return version

    async def open(self, url: str) -> None:
        """
        Show a page, and wait until it is loaded.
        """
        await self._driver.ask("WebDriver:Navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """
        Let the page compute something; promises are waited for.
        """
        answer = await self._driver.ask(
            "WebDriver:ExecuteAsyncScript", script=_SCRIPT % expression, args=[]
        )
        value = answer["value"]
        if "error" in value:
            raise AssertionError(value["error"])
        return value.get("value")

    async def until(self, condition: str) -> None:
        """
        Wait until something is true of the page.
        """
        await self.evaluate(awaiting(condition))

    async def look(self, width: int, height: int, scheme: str) -> None:
        """
        Change the size of the window, and what the reader prefers.
        """
        await self._driver.ask("WebDriver:SetWindowRect", width=width, height=height)
        await self._driver.ask("Marionette:SetContext", value="chrome")
        await self._driver.ask(
            "WebDriver:ExecuteScript",
            script="Services.prefs.setIntPref(...arguments)",
            args=[_COLORS, int(scheme == "light")],
        )
        await self._driver.ask("Marionette:SetContext", value="content")
        await self.evaluate(
            f"""new Promise(resolve => {{
                const query = matchMedia('(prefers-color-scheme: {scheme})');
                query.onchange = resolve;
                if (query.matches) resolve();
            }}).then(() => true)"""
        )

    async def screenshot(self) -> str:
        """
        @return: the whole page: a PNG in Base64.
        """
        answer = await self._driver.ask("WebDriver:TakeScreenshot", full=True)
        data = answer["value"]
        assert isinstance(data, str)
        return data

    async def stop(self) -> None:
        """
        End it, if it has been started.
        """
        if self._program.transport is not None:
            await self._program.stop("KILL")
