"""The payload of Sparkplug B as a protobuf message, for the library to read and write.

Only the fields that are read are declared, the library skips the others: data sets, templates,
metadata, bytes. It is declared in proto3, which is the same on the wire and refuses texts that are
not UTF-8; every field has presence.
Source: sparkplug_b.proto of the Eclipse Sparkplug specification 3.0, 6.4.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "org.eclipse.tahu.protobuf"
_FIELDS = {
    "Payload": """
        uint64 timestamp 1
        repeated Metric metrics 2
        uint64 seq 3
        string uuid 4
    """,
    "Metric": """
        string name 1
        uint64 alias 2
        uint64 timestamp 3
        uint32 datatype 4
        bool is_historical 5
        bool is_transient 6
        bool is_null 7
        PropertySet properties 9
        uint32 int_value 10 value
        uint64 long_value 11 value
        float float_value 12 value
        double double_value 13 value
        bool boolean_value 14 value
        string string_value 15 value
    """,
    "PropertySet": """
        repeated string keys 1
        repeated PropertyValue values 2
    """,
    "PropertyValue": """
        uint32 type 1
        bool is_null 2
        uint32 int_value 3 value
        uint64 long_value 4 value
        string string_value 8 value
    """,
}
"""Type, name, number and the choice it is one of, by message."""


def _field(message: DescriptorProto, line: str) -> None:
    words = line.split()
    field = message.field.add(label=FieldDescriptorProto.LABEL_OPTIONAL)
    if words[0] == "repeated":
        field.label = FieldDescriptorProto.LABEL_REPEATED
        words = words[1:]
    kind, field.name, number, *choice = words
    field.number = int(number)
    if kind in _FIELDS:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    if choice:
        field.oneof_index = 0
    elif field.label == FieldDescriptorProto.LABEL_OPTIONAL and kind not in _FIELDS:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _payload_class() -> Any:
    file = FileDescriptorProto(name="sparkplug_b.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        if " value\n" in fields:
            message.oneof_decl.add(name="value")
        for line in fields.strip().splitlines():
            _field(message, line)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Any = _payload_class()
"""Made at import, as a compiled expression is."""
