# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The documents of an Internet Gateway Device: its description, and the requests and
answers of its services (SOAP).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape

from twisted_libp2p.errors import ProtocolViolation

__all__ = ["MAX_DOCUMENT", "NAME", "Control", "control", "fields", "request"]

NAME: Final = "UPnP"

#: Maximum size of a document, in bytes.
MAX_DOCUMENT: Final = 64 * 1024

#: Maximum depth of the elements of a document, number of the records in it, and number
#: of characters of a value.
MAX_DEPTH: Final = 32
MAX_RECORDS: Final = 64
MAX_VALUE: Final = 1024

#: The services that map ports, the best first.
SERVICES: Final = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)

_ENVELOPE: Final = (
    '<?xml version="1.0"?>\r\n'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
    '<u:{action} xmlns:u="{service}">{arguments}</u:{action}>'
    "</s:Body></s:Envelope>\r\n"
)


class _Reader:
    """
    Collects the values inside all elements of a name.

    It takes no document type, and so no entity: their expansion is without bounds.

    @ivar records: for each such element, the values by the names of their elements.
    """

    def __init__(self, record: str) -> None:
        """
        @param record: the name of the elements, without a prefix.
        """
        self.records: list[dict[str, str]] = []
        self._record = record
        self._path: list[str] = []
        self._open: dict[str, str] | None = None
        self._text = ""

    def read(self, data: bytes) -> None:
        """
        Read a document.

        @raise ProtocolViolation: it is malformed, too large, or declares a type.
        """
        if len(data) > MAX_DOCUMENT:
            raise ProtocolViolation(NAME, f"a document of over {MAX_DOCUMENT} bytes")
        parser = ParserCreate()
        parser.StartDoctypeDeclHandler = self._typed
        parser.StartElementHandler = self._started
        parser.EndElementHandler = self._ended
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(data, True)
        except (ExpatError, ValueError, LookupError) as error:
            raise ProtocolViolation(NAME, f"a malformed document: {error}") from None

    def _typed(self, *_: object) -> None:
        raise ProtocolViolation(NAME, "a document with a type of its own")

    def _started(self, name: str, attributes: object) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise ProtocolViolation(NAME, f"over {MAX_DEPTH} elements in each other")
        local = name.rpartition(":")[2]
        self._path.append(local)
        self._text = ""
        if local == self._record:
            if len(self.records) >= MAX_RECORDS:
                raise ProtocolViolation(NAME, f"over {MAX_RECORDS} of {local}")
            self._open = {}
            self.records.append(self._open)

    def _characters(self, text: str) -> None:
        if self._open is not None and len(self._text) <= MAX_VALUE:
            self._text += text

    def _ended(self, name: str) -> None:
        local = self._path.pop()
        if local == self._record:
            self._open = None
        elif self._open is not None and len(self._text) <= MAX_VALUE:
            self._open.setdefault(local, self._text.strip())
        self._text = ""


def _records(data: bytes, record: str) -> list[dict[str, str]]:
    reader = _Reader(record)
    reader.read(data)
    return reader.records


@dataclass(frozen=True, slots=True)
class Control:
    """
    The place of a service of a device.

    @ivar url: the URL that its requests go to.
    @ivar service: its type and version.
    """

    url: str
    service: str


def control(data: bytes, base: str) -> Control:
    """
    Read the description of a device.

    @param base: its URL.
    @return: its best service that maps ports.
    @raise ProtocolViolation: it has none, or is malformed.
    """
    found = {
        each.get("serviceType", ""): each.get("controlURL", "")
        for each in _records(data, "service")
    }
    for service in SERVICES:
        if found.get(service):
            try:
                return Control(urljoin(base, found[service]), service)
            except ValueError as error:
                raise ProtocolViolation(NAME, f"a malformed URL: {error}") from None
    raise ProtocolViolation(NAME, "a device without a service that maps ports")


def request(service: str, action: str, **arguments: object) -> bytes:
    """
    Write a request.

    @param service: the type of the service.
    @param arguments: the arguments of the action, in their order.
    """
    written = "".join(
        f"<{name}>{escape(str(value))}</{name}>" for name, value in arguments.items()
    )
    return _ENVELOPE.format(action=action, service=service, arguments=written).encode()


def fields(data: bytes) -> dict[str, str]:
    """
    Read an answer.

    @return: its values by name; of an error C{errorCode} and C{errorDescription}.
    @raise ProtocolViolation: it is malformed.
    """
    bodies = _records(data, "Body")
    if not bodies:
        raise ProtocolViolation(NAME, "an answer without a body")
    return bodies[0]
