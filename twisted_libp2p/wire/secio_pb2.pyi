from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Propose(_message.Message):
    __slots__ = ("rand", "pubkey", "exchanges", "ciphers", "hashes")
    RAND_FIELD_NUMBER: _ClassVar[int]
    PUBKEY_FIELD_NUMBER: _ClassVar[int]
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    CIPHERS_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    rand: bytes
    pubkey: bytes
    exchanges: str
    ciphers: str
    hashes: str
    def __init__(self, rand: _Optional[bytes] = ..., pubkey: _Optional[bytes] = ..., exchanges: _Optional[str] = ..., ciphers: _Optional[str] = ..., hashes: _Optional[str] = ...) -> None: ...

class Exchange(_message.Message):
    __slots__ = ("epubkey", "signature")
    EPUBKEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    epubkey: bytes
    signature: bytes
    def __init__(self, epubkey: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
