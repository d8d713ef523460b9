# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A person who sends files to a node by the page of C{examples/browser}, in any browser.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from tests.interop.matrix import MIB
from tests.interop.pages import Page

__all__ = ["LIMIT", "SENT", "Reader", "choosing", "content", "sendFiles"]

#: The limit of the node on the size of a file, in bytes.
LIMIT = 32 * MIB

#: The text that the page shows then.
SENT = "document.getElementById('sent').innerText"

#: The bytes that the page reads from a file at once, as C{files.mjs} has it.
_PIECE = 1 << 16

#: The length of the content that is repeated in a file, in bytes.
_LENGTH = 251 << 12

#: Lets the page read a file for its digest, and only the beginning of it once more.
_HALTING = f"""(() => {{
    const read = Blob.prototype.arrayBuffer;
    let left = {LIMIT // _PIECE + 50};
    Blob.prototype.arrayBuffer = function () {{
        return left-- > 0 ? read.call(this) : new Promise(() => {{}});
    }};
}})()"""


class Reader(Page, Protocol):
    """
    A page in a browser, whose changes are waited for.
    """

    async def until(self, condition: str) -> None:
        """
        Wait until something is true of the page.
        """


def content(size: int) -> bytes:
    """
    Return the bytes of a file of C{choosing}.
    """
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def choosing(size: int, name: str) -> str:
    """
    Give the expression that chooses a file and sends it.
    """
    return f"""(() => {{
        const files = new DataTransfer();
        const piece = Uint8Array.from({{length: {_LENGTH}}}, (_, i) => i % 251);
        const whole = Array({size // _LENGTH}).fill(piece);
        const rest = piece.subarray(0, {size % _LENGTH});
        files.items.add(new File([...whole, rest], '{name}'));
        document.getElementById('file').files = files.files;
        document.querySelector('#send button').click();
    }})()"""


async def _sent(page: Reader, size: int, name: str) -> str:
    """
    Send a file.

    @return: the text of the page after it.
    """
    await page.evaluate(choosing(size, name))
    await page.until("document.querySelector('#sent.good, #sent.bad')")
    said: Any = await page.evaluate(SENT)
    return str(said)


async def sendFiles(
    page: Reader, folder: Path, reload: Callable[[], Awaitable[None]]
) -> None:
    """
    A file arrives whole; the node refuses one that is too large, and gives one whose
    name is in use a number; after a reload during a transfer no file has the name, and
    it goes on.

    @param page: a page that is connected to a node, which has the limit.
    @param folder: the folder of the node.
    @param reload: loads the page again.
    """
    await page.until("!document.getElementById('send').hidden")
    said = await _sent(page, 8 * MIB, "../my photo:1.jpg")
    name = "_my photo_1.jpg"
    assert said.startswith(f"The node has stored {name}: 8388608 bytes"), said
    stored = (folder / name).read_bytes()
    assert stored == content(8 * MIB)
    shown = await page.evaluate("document.getElementById('digest').innerText")
    assert shown == sha256(stored).hexdigest()
    assert await page.evaluate("document.getElementById('progress').hidden")

    said = await _sent(page, LIMIT + 1, "large.bin")
    reason = f"a file may have at most {LIMIT} bytes here"
    assert said == f"The node refuses the file: {reason}."
    assert os.listdir(folder) == [name]

    second = "_my photo_1 (2).jpg"
    said = await _sent(page, 5, name)
    assert said.startswith(f"The node has stored {name}: 5 bytes"), said
    assert (folder / second).read_bytes() == content(5)

    await page.evaluate(_HALTING)
    await page.evaluate(choosing(LIMIT, "film.mkv"))
    await page.until(f"{SENT} === '3.1 of 32.0 MiB sent'")
    await reload()
    await page.until("!document.getElementById('send').hidden")
    assert not (folder / "film.mkv").exists()
    (part,) = folder.glob(".film.mkv.*.part")
    assert 0 < part.stat().st_size < LIMIT
    said = await _sent(page, LIMIT, "film.mkv")
    assert said.startswith(f"The node has stored film.mkv: {LIMIT} bytes"), said
    assert (folder / "film.mkv").read_bytes() == content(LIMIT)
    assert sorted(os.listdir(folder)) == [second, name, "film.mkv"]
