# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.ssdp} and L{twisted_libp2p.portmap.soap}.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.portmap.soap import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    MAX_RECORDS,
    MAX_VALUE,
    Control,
    control,
    fields,
    request,
)
from twisted_libp2p.portmap.ssdp import MAX_URL, location, onlyAt, searches

GATEWAY = IPv4Address("10.1.0.1")
BASE = "http://10.1.0.1:5000/rootDesc.xml"


def description(*services: tuple[str, str]) -> bytes:
    """
    Return the description of a device.
    """
    listed = "".join(
        f"<service><serviceType>{kind}</serviceType><serviceId>x</serviceId>"
        f"<controlURL>{url}</controlURL></service>"
        for kind, url in services
    )
    return (
        '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>'
        f"<deviceList><device><serviceList>{listed}</serviceList></device>"
        "</deviceList></device></root>"
    ).encode()


class SSDPTests(SynchronousTestCase):
    """
    The search for a device.
    """

    def test_search(self) -> None:
        """
        Both versions of the device are searched for.
        """
        first, second = searches()
        self.assertTrue(first.startswith(b"M-SEARCH * HTTP/1.1\r\n"))
        self.assertTrue(first.endswith(b"InternetGatewayDevice:1\r\n\r\n"))
        self.assertTrue(second.endswith(b"InternetGatewayDevice:2\r\n\r\n"))

    def test_location(self) -> None:
        """
        The place of the description is in the answer, however it is written.
        """
        for text in ("LOCATION: ", "Location:", "location:   "):
            answer = f"HTTP/1.1 200 OK\r\nST: x\r\n{text}{BASE}\r\n\r\n".encode()
            self.assertEqual(location(answer), BASE)

    def test_noAnswer(self) -> None:
        """
        Other datagrams are none: announcements, errors, and any bytes.
        """
        for data in (
            b"",
            b"\xff\0",
            b"NOTIFY * HTTP/1.1\r\nLOCATION: http://10.1.0.1/\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\nLOCATION: http://10.1.0.1/\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nST: x\r\n\r\n",
        ):
            with self.assertRaises(ProtocolViolation):
                location(data)

    def test_onlyAt(self) -> None:
        """
        Only the gateway itself is asked, by HTTP.
        """
        for url in (BASE, "http://10.1.0.1/", "http://10.1.0.1:49152/a?b=c"):
            self.assertEqual(onlyAt(url, GATEWAY), url)
        for url in (
            "http://10.1.0.2/",
            "http://127.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://gateway.example/",
            "http://10.1.0.1@127.0.0.1/",
            "http://127.0.0.1@10.1.0.1/",
            "http://010.1.0.1/",
            "http://10.1.1/",
            "http://167837697/",
            "https://10.1.0.1/",
            "file:///etc/passwd",
            "http://10.1.0.1:0/",
            "http://10.1.0.1:99999/",
            "http://10.1.0.1:x/",
            "http://[::1]/",
            "http://[10.1.0.1/",
            "http://10.1.0.1/\r\nHost: other",
            "http://10.1.0.1/\u00fc",
            "//10.1.0.1/",
            "",
            "http://10.1.0.1/" + "x" * MAX_URL,
        ):
            with self.assertRaises(ProtocolViolation, msg=url):
                onlyAt(url, GATEWAY)


class SOAPTests(SynchronousTestCase):
    """
    The documents of a device.
    """

    IP1 = "urn:schemas-upnp-org:service:WANIPConnection:1"
    IP2 = "urn:schemas-upnp-org:service:WANIPConnection:2"
    PPP = "urn:schemas-upnp-org:service:WANPPPConnection:1"

    def test_control(self) -> None:
        """
        The best of the services that map ports is used, with its own URL.
        """
        data = description(
            ("urn:other", "/other"), (self.PPP, "/ppp"), (self.IP1, "/ip")
        )
        self.assertEqual(
            control(data, BASE), Control("http://10.1.0.1:5000/ip", self.IP1)
        )
        data = description((self.IP1, "/one"), (self.IP2, "http://10.1.0.1:80/two"))
        self.assertEqual(control(data, BASE).url, "http://10.1.0.1:80/two")
        data = description((self.PPP, "ctl"))
        self.assertEqual(control(data, BASE).url, "http://10.1.0.1:5000/ctl")

    def test_noControl(self) -> None:
        """
        A device without such a service, or without its URL, cannot be used.
        """
        for data in (
            description(("urn:other", "/x")),
            description((self.IP1, "")),
            description((self.IP1, "http://[")),
            b"<root/>",
        ):
            with self.assertRaises(ProtocolViolation):
                control(data, BASE)

    def test_request(self) -> None:
        """
        The values of a request are escaped.
        """
        data = request(self.IP1, "AddPortMapping", NewRemoteHost="", NewName="<&>")
        self.assertIn(b"<NewRemoteHost></NewRemoteHost>", data)
        self.assertIn(b"<NewName>&lt;&amp;&gt;</NewName>", data)
        self.assertEqual(fields(data)["NewName"], "<&>")

    def test_error(self) -> None:
        """
        The code and the text of an error are read, in any namespace.
        """
        data = (
            b'<a:Envelope xmlns:a="urn:e"><a:Body><a:Fault><detail><UPnPError>'
            b"<errorCode>718</errorCode><errorDescription>Conflict</errorDescription>"
            b"</UPnPError></detail></a:Fault></a:Body></a:Envelope>"
        )
        found = fields(data)
        self.assertEqual(found["errorCode"], "718")
        self.assertEqual(found["errorDescription"], "Conflict")

    def test_entities(self) -> None:
        """
        A document with a type of its own is refused before any entity is expanded.
        """
        bomb = '<!DOCTYPE b [<!ENTITY a "ha">'
        for number in range(30):
            inner = f"&{chr(96 + number)};" if number else "ha"
            bomb += f'<!ENTITY {chr(97 + number % 26)}{number} "{inner * 10}">'
        bomb += "]><s:Body><x>&a1;</x></s:Body>"
        for text in (
            bomb,
            '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Body/>',
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Body>&e;</Body>',
        ):
            with self.assertRaises(ProtocolViolation) as caught:
                fields(text.encode())
            self.assertIn("type of its own", str(caught.exception))

    def test_bounds(self) -> None:
        """
        The size, the depth and the number of the elements are bounded.
        """
        deep = "<a>" * (MAX_DEPTH + 1)
        many = "<r>" + "<Body></Body>" * (MAX_RECORDS + 1) + "</r>"
        large = "<Body>" + "x" * MAX_DOCUMENT + "</Body>"
        for text in (deep, many, large):
            with self.assertRaises(ProtocolViolation):
                fields(text.encode())
        long = "<Body><a>" + "x" * (MAX_VALUE + 1) + "</a><b>y</b></Body>"
        self.assertEqual(fields(long.encode()), {"b": "y"})

    def test_malformed(self) -> None:
        """
        Documents that are no XML, or in no known encoding, are refused.
        """
        for data in (
            b"",
            b"\xff\xfe\xfd",
            b"<a>",
            b"<a></b>",
            b"<Body>&unknown;</Body>",
            b'<?xml version="1.0" encoding="utf-7"?><Body/>',
            b'<?xml version="1.0" encoding="no-such"?><Body/>',
            b"<root/>",
        ):
            with self.assertRaises(ProtocolViolation):
                fields(data)
