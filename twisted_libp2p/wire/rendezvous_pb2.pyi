from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PeerInfo(_message.Message):
    __slots__ = ("id", "addrs")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRS_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    addrs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, id: _Optional[bytes] = ..., addrs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("type", "register", "registerResponse", "unregister", "discover", "discoverResponse")
    class Register(_message.Message):
        __slots__ = ("ns", "signedPeerRecord", "ttl")
        NS_FIELD_NUMBER: _ClassVar[int]
        SIGNEDPEERRECORD_FIELD_NUMBER: _ClassVar[int]
        TTL_FIELD_NUMBER: _ClassVar[int]
        ns: bytes
        signedPeerRecord: bytes
        ttl: int
        def __init__(self, ns: _Optional[bytes] = ..., signedPeerRecord: _Optional[bytes] = ..., ttl: _Optional[int] = ...) -> None: ...
    class RegisterResponse(_message.Message):
        __slots__ = ("status", "statusText", "ttl")
        STATUS_FIELD_NUMBER: _ClassVar[int]
        STATUSTEXT_FIELD_NUMBER: _ClassVar[int]
        TTL_FIELD_NUMBER: _ClassVar[int]
        status: int
        statusText: bytes
        ttl: int
        def __init__(self, status: _Optional[int] = ..., statusText: _Optional[bytes] = ..., ttl: _Optional[int] = ...) -> None: ...
    class Unregister(_message.Message):
        __slots__ = ("ns",)
        NS_FIELD_NUMBER: _ClassVar[int]
        ns: bytes
        def __init__(self, ns: _Optional[bytes] = ...) -> None: ...
    class Discover(_message.Message):
        __slots__ = ("ns", "limit", "cookie")
        NS_FIELD_NUMBER: _ClassVar[int]
        LIMIT_FIELD_NUMBER: _ClassVar[int]
        COOKIE_FIELD_NUMBER: _ClassVar[int]
        ns: bytes
        limit: int
        cookie: bytes
        def __init__(self, ns: _Optional[bytes] = ..., limit: _Optional[int] = ..., cookie: _Optional[bytes] = ...) -> None: ...
    class DiscoverResponse(_message.Message):
        __slots__ = ("registrations", "cookie", "status", "statusText")
        REGISTRATIONS_FIELD_NUMBER: _ClassVar[int]
        COOKIE_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        STATUSTEXT_FIELD_NUMBER: _ClassVar[int]
        registrations: _containers.RepeatedCompositeFieldContainer[Message.Register]
        cookie: bytes
        status: int
        statusText: bytes
        def __init__(self, registrations: _Optional[_Iterable[_Union[Message.Register, _Mapping]]] = ..., cookie: _Optional[bytes] = ..., status: _Optional[int] = ..., statusText: _Optional[bytes] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    REGISTERRESPONSE_FIELD_NUMBER: _ClassVar[int]
    UNREGISTER_FIELD_NUMBER: _ClassVar[int]
    DISCOVER_FIELD_NUMBER: _ClassVar[int]
    DISCOVERRESPONSE_FIELD_NUMBER: _ClassVar[int]
    type: int
    register: Message.Register
    registerResponse: Message.RegisterResponse
    unregister: Message.Unregister
    discover: Message.Discover
    discoverResponse: Message.DiscoverResponse
    def __init__(self, type: _Optional[int] = ..., register: _Optional[_Union[Message.Register, _Mapping]] = ..., registerResponse: _Optional[_Union[Message.RegisterResponse, _Mapping]] = ..., unregister: _Optional[_Union[Message.Unregister, _Mapping]] = ..., discover: _Optional[_Union[Message.Discover, _Mapping]] = ..., discoverResponse: _Optional[_Union[Message.DiscoverResponse, _Mapping]] = ...) -> None: ...
