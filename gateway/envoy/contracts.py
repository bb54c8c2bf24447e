"""Reads the contracts for the edge: what is served, and descriptors in the form Envoy takes."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2  # type: ignore[import-untyped]
from google.api.http_pb2 import HttpRule  # type: ignore[import-untyped]
from google.protobuf.descriptor_pb2 import (
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

PACKAGE_PREFIX = "fairslot."
# A method whose name starts with one of these changes nothing, so it may be sent twice.
READ_PREFIXES = ("Get", "List", "Search", "Explain", "Check", "Rank", "Validate")
# Contracts that only lend options; the edge reads none of them and they are half of the set.
OPTION_FILES = ("buf/validate/validate.proto", "fairslot/type/v1/access.proto")


@dataclass(frozen=True)
class Method:
    """One RPC: whether it streams, whether it may be sent twice, and its form over HTTP."""

    name: str
    streams: bool
    reads: bool
    get_path: str  # empty: it is not read by GET
    response_field: str  # JSON name of the only field that is the body over HTTP; empty: all


@dataclass(frozen=True)
class Contract:
    """One gRPC service by its full name, and its methods."""

    name: str
    methods: tuple[Method, ...]

    @property
    def package(self) -> str:
        """The service's proto package."""
        return self.name.rpartition(".")[0]

    @property
    def context(self) -> str:
        """The context it belongs to, which is also the name of its cluster."""
        return self.name.split(".")[1]

    @property
    def watched(self) -> bool:
        """True if a stream of it is read by GET."""
        return any(method.streams and method.get_path for method in self.methods)


def read_descriptors(path: Path) -> FileDescriptorSet:
    """Returns the descriptor set that `make gen` builds."""
    return FileDescriptorSet.FromString(path.read_bytes())


def contracts_of(descriptors: FileDescriptorSet) -> tuple[Contract, ...]:
    """Returns every Fairslot service of the set, by name."""
    contracts = [
        Contract(
            name=f"{file.package}.{service.name}",
            methods=tuple(_method(method) for method in service.method),
        )
        for file in descriptors.file
        if file.package.startswith(PACKAGE_PREFIX)
        for service in file.service
    ]
    return tuple(sorted(contracts, key=lambda contract: contract.name))


def for_envoy(descriptors: FileDescriptorSet, packages: Set[str]) -> FileDescriptorSet:
    """Returns the files of the packages and what they import, without what Envoy refuses."""
    by_name = {file.name: file for file in descriptors.file}
    roots = [file.name for file in descriptors.file if file.package in packages]
    smaller = FileDescriptorSet()
    for name in dict.fromkeys(_with_imports(roots, by_name)):
        file = smaller.file.add()
        file.CopyFrom(by_name[name])
        kept = [one for one in file.dependency if one not in OPTION_FILES]
        del file.dependency[:]
        file.dependency.extend(kept)
        for service in file.service:
            for method in service.method:
                for rule in _rules(method):
                    # Envoy has it for raw bodies only; the edge unwraps the field itself.
                    rule.ClearField("response_body")
    return smaller


def _with_imports(names: Sequence[str], by_name: dict[str, FileDescriptorProto]) -> Iterator[str]:
    """Yields the names, each after what it imports; a name may come more than once."""
    for name in names:
        if name not in OPTION_FILES:
            yield from _with_imports(by_name[name].dependency, by_name)
            yield name


def _method(method: MethodDescriptorProto) -> Method:
    rule = method.options.Extensions[annotations_pb2.http]
    streams = method.client_streaming or method.server_streaming
    first, *others = rule.response_body.split("_")
    return Method(
        name=method.name,
        streams=streams,
        reads=not streams and method.name.startswith(READ_PREFIXES),
        get_path=rule.get,
        response_field=first + "".join(word.capitalize() for word in others),
    )


def _rules(method: MethodDescriptorProto) -> Iterator[HttpRule]:
    if method.options.HasExtension(annotations_pb2.http):
        rule = method.options.Extensions[annotations_pb2.http]
        yield rule
        yield from rule.additional_bindings
