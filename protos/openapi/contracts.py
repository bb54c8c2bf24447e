"""The contracts as they are described: declarations by name, with their comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

PREFIX = "fairslot."
# Numbers of fields in descriptor.proto, of which the places of comments are made.
MESSAGES, ENUMS, SERVICES = 4, 5, 6
NESTED_MESSAGES, NESTED_ENUMS, FIELDS = 3, 4, 2
METHODS, VALUES = 2, 2
Place = tuple[int, ...]


@dataclass
class Contracts:
    """Everything that is declared, by full name."""

    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    enums: dict[str, EnumDescriptorProto] = field(default_factory=dict)
    services: dict[str, ServiceDescriptorProto] = field(default_factory=dict)
    # By the full name of what it is about.
    comments: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Contracts:
        """Reads a descriptor set that was made with source info."""
        found = cls()
        for file in FileDescriptorSet.FromString(path.read_bytes()).file:
            found._take(file)
        return found

    def fields(self, message: str) -> Sequence[FieldDescriptorProto]:
        """Returns the fields of a message in the order of its declaration."""
        return self.messages[message].field

    def comment(self, name: str) -> str:
        """Returns what is written above a declaration."""
        return self.comments.get(name, "")

    def _take(self, file: FileDescriptorProto) -> None:
        told = {
            tuple(one.path): " ".join(one.leading_comments.split())
            for one in file.source_code_info.location
            if one.leading_comments
        }
        for number, message in enumerate(file.message_type):
            self._take_message(file.package, message, (MESSAGES, number), told)
        for number, enum in enumerate(file.enum_type):
            self._take_enum(file.package, enum, (ENUMS, number), told)
        for number, service in enumerate(file.service):
            name, place = f"{file.package}.{service.name}", (SERVICES, number)
            self.services[name] = service
            self._say(name, place, told)
            for index, method in enumerate(service.method):
                self._say(f"{name}.{method.name}", (*place, METHODS, index), told)

    def _take_message(
        self, scope: str, message: DescriptorProto, place: Place, told: Mapping[Place, str]
    ) -> None:
        name = f"{scope}.{message.name}"
        self.messages[name] = message
        self._say(name, place, told)
        for number, one in enumerate(message.field):
            self._say(f"{name}.{one.name}", (*place, FIELDS, number), told)
        for number, nested in enumerate(message.nested_type):
            self._take_message(name, nested, (*place, NESTED_MESSAGES, number), told)
        for number, enum in enumerate(message.enum_type):
            self._take_enum(name, enum, (*place, NESTED_ENUMS, number), told)

    def _take_enum(
        self, scope: str, enum: EnumDescriptorProto, place: Place, told: Mapping[Place, str]
    ) -> None:
        name = f"{scope}.{enum.name}"
        self.enums[name] = enum
        self._say(name, place, told)
        for number, value in enumerate(enum.value):
            self._say(f"{name}.{value.name}", (*place, VALUES, number), told)

    def _say(self, name: str, place: Place, told: Mapping[Place, str]) -> None:
        if place in told:
            self.comments[name] = told[place]

    def own_services(self) -> Iterator[tuple[str, ServiceDescriptorProto]]:
        """Yields the services of Fairslot by name."""
        for name in sorted(self.services):
            if name.startswith(PREFIX):
                yield name, self.services[name]
