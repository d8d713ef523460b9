# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A real browser: Debian's Chromium, driven by the DevTools protocol over a pipe.

Where there is none the tests are skipped, unless C{LIBP2P_REQUIRE} names
C{chromium}: then they fail.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.needs import skipWithout

__all__ = ["LOOPBACK", "Chromium", "awaiting", "findChromium"]

#: The browser asks nobody for anything, and resolves no name.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)

#: A flag for WebRTC: without it the browser has no address on a host that has no
#: network.
LOOPBACK = "--allow-loopback-in-peer-connection"

# Of the pipes of the DevTools protocol, where the browser reads and writes.
_COMMANDS, _ANSWERS = 3, 4


def findChromium() -> str:
    """
    @return: where the program is.
    @raise SkipTest: nowhere.
    """
    for name in ("chromium", "chromium-browser"):
        path = shutil.which(name)
        if path is not None:
            return path
    skipWithout("chromium", "Chromium is not installed: apt-get install chromium")


def awaiting(condition: str) -> str:
    """
    Give a promise, as an expression, which waits until something is true of a page.
    """
    return f"""new Promise(resolve => {{
        const look = () => {{
            if (document.body && ({condition})) {{
                watch.disconnect();
                resolve(true);
            }}
        }};
        const watch = new MutationObserver(look);
        watch.observe(document, {{
            subtree: true, childList: true, characterData: true, attributes: true,
        }});
        look();
    }})"""


class Chromium(ProcessProtocol):
    """
    A browser with one page.

    @ivar requested: the addresses that the page has asked for.
    @ivar complaints: what it has found wrong: errors of scripts, and whatever
        its console was told.
    """

    transport: Any

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._rest = b""
        self._session: str | None = None
        self._number = 0
        self._waiting: dict[int, Deferred[dict[str, Any]]] = {}
        self._loads: dict[str, Deferred[None]] = {}
        self._ended: Deferred[None] = Deferred()
        self._listeners: dict[str, Callable[[dict[str, Any]], None]] = {
            "Network.requestWillBeSent": lambda told: self.requested.append(
                told["request"]["url"]
            ),
            "Page.lifecycleEvent": self._lived,
            "Runtime.exceptionThrown": self._complained,
            "Runtime.consoleAPICalled": self._complained,
            "Log.entryAdded": self._complained,
        }

    def start(self, folder: Path, *flags: str) -> None:
        """
        Start the browser.

        @param folder: an empty one, for its profile.
        @param flags: further arguments.
        """
        path = findChromium()
        reactor.spawnProcess(
            self,
            path,
            [path, *_FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
            {**os.environ, "HOME": str(folder)},
            childFDs={0: "w", 1: "r", 2: "r", _COMMANDS: "w", _ANSWERS: "r"},
        )

    async def open(self, url: str, width: int, height: int, scheme: str) -> None:
        """
        Show a page, and wait until it is loaded.

        @param scheme: C{dark} or C{light}.
        """
        targets = await self.ask("Target.getTargets")
        page = next(
            each["targetId"]
            for each in targets["targetInfos"]
            if each["type"] == "page"
        )
        attached = await self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.look(width, height, scheme)
        await self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        answer = await self.ask("Page.navigate", url=url)
        await self._loading(answer["loaderId"])

    async def look(self, width: int, height: int, scheme: str) -> None:
        """
        Change the size of the window, and what the reader prefers.
        """
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        await self.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    async def evaluate(self, expression: str) -> Any:
        """
        Let the page compute something; promises are waited for.
        """
        answer = await self.ask(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, condition: str) -> None:
        """
        Wait until something is true of the page, which has just changed.
        """
        await self.evaluate(awaiting(condition))

    async def screenshot(self) -> str:
        """
        @return: what the window shows: a PNG in Base64.
        """
        answer = await self.ask("Page.captureScreenshot", format="png")
        data = answer["data"]
        assert isinstance(data, str)
        return data

    def ask(self, method: str, **parameters: Any) -> Deferred[dict[str, Any]]:
        """
        Call a method of the DevTools protocol.

        @return: fires with the answer.
        """
        self._number += 1
        command: dict[str, Any] = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            command["sessionId"] = self._session
        self.transport.writeToChild(_COMMANDS, json.dumps(command).encode() + b"\0")
        waiting = self._waiting[self._number] = Deferred()
        return waiting

    def stop(self) -> Deferred[None]:
        """
        End it.

        @return: fires when it has ended.
        """
        if self.transport is not None and self.transport.pid is not None:
            self.transport.signalProcess("KILL")
        return self._ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It answers, or tells.
        """
        if childFD != _ANSWERS:
            return
        *messages, self._rest = (self._rest + data).split(b"\0")
        for each in messages:
            message = json.loads(each)
            listener = self._listeners.get(message.get("method"))
            waiting = self._waiting.pop(message.get("id"), None)
            if listener is not None:
                listener(message["params"])
            elif waiting is not None and "error" in message:
                waiting.errback(AssertionError(message["error"]))
            elif waiting is not None:
                waiting.callback(message["result"])

    def _loading(self, loader: str) -> Deferred[None]:
        """
        @return: fires when a page is loaded.
        """
        return self._loads.setdefault(loader, Deferred())

    def _lived(self, told: dict[str, Any]) -> None:
        loading = self._loading(told["loaderId"])
        if told["name"] == "load" and not loading.called:
            loading.callback(None)

    def _complained(self, told: dict[str, Any]) -> None:
        self.complaints.append(json.dumps(told))

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.errback(ProcessTerminated())
        self._ended.callback(None)
