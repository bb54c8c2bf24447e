"""Fills the template of the edge for one deployment."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.envoy.clusters import WEB, cluster, web_cluster
from gateway.envoy.contracts import Contract, contracts_of, for_envoy, read_descriptors
from gateway.envoy.limits import Limits
from gateway.envoy.replies import known_replies, mappers
from gateway.envoy.routes import routes

Json = dict[str, object]
TRANSCODER = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
# What the details of an error may be made of, beside the messages of the service itself.
DETAIL_PACKAGES = frozenset({"google.rpc", "fairslot.type.v1"})
TOKEN_PARAMETER = "access_token"  # noqa: S105 (its name, not a secret)
CLOCK_SKEW_SECONDS = 5  # between whoever signs tokens and us
CACHED_TOKENS = 1_000  # per worker thread of Envoy
ROLES = ("viewer", "planner", "admin", "service")


def render(
    *,
    listener_host: str,
    listener_port: int,
    admin_host: str = "127.0.0.1",
    admin_port: int,
    jwks_path: str,
    descriptors_path: str,
    endpoints: Mapping[str, Sequence[tuple[str, int]]],
    issuer: str = "fairslot",
    audience: str = "fairslot",
    limits: Limits | None = None,
) -> str:
    """Returns the configuration of one Envoy as YAML.

    Args:
        listener_host: address for clients.
        listener_port: its port: gRPC, gRPC-Web, JSON and Server-Sent Events alike.
        admin_host: address of Envoy's own admin page; never a public one.
        admin_port: its port.
        jwks_path: file with the keys that sign tokens; Envoy reads it at start.
        descriptors_path: gen/fairslot.binpb; what Envoy needs of it is written into the result.
        endpoints: per context ("assignment", "gateway", ...) the replicas as (host, port); "web" is
            the plain HTTP of the gateway's.
        issuer: the `iss` of good tokens.
        audience: the `aud` of good tokens.
        limits: bounds; missing: the defaults.
    """
    limits = limits or Limits()
    descriptors = read_descriptors(Path(descriptors_path))
    contracts = contracts_of(descriptors)
    watched = [contract for contract in contracts if contract.watched]
    lines = _transcoder(descriptors, contracts, "stream_newline_delimited", limits)
    events = _transcoder(descriptors, watched, "stream_sse_style_delimited", limits)
    contexts = sorted({contract.context for contract in contracts})
    token = _token(jwks_path, issuer, audience)
    values = {
        "listener_host": listener_host,
        "listener_port": listener_port,
        "admin_host": admin_host,
        "admin_port": admin_port,
        "header_token": token,
        "header_or_query_token": token | {"from_params": [TOKEN_PARAMETER]},
        "transcoder": lines,
        "lua": Template(_file("edge.lua")).substitute(body_bytes=limits.body_bytes),
        "routes": routes(contracts, limits, events),
        "reply_mappers": mappers(known_replies()),
        "clusters": [
            *(cluster(name, endpoints.get(name, ()), limits) for name in contexts),
            web_cluster(endpoints.get(WEB, ()), limits),
        ],
        "cluster_health": {name: {"value": 1} for name in contexts},
        "known_services": [
            {"url_path": {"path": {"prefix": f"/{contract.name}/"}}} for contract in contracts
        ],
        "role_values": [{"string_match": {"exact": role}} for role in ROLES],
        "swallowed_bytes": limits.swallowed_bytes,
        "connections": limits.connections,
        "streams_per_connection": limits.streams_per_connection,
        "stream_idle_timeout": f"{limits.watch_idle_seconds}s",
        "allowed_origin_regex": limits.allowed_origin_regex,
        "all_calls": _bucket(limits.calls_per_second),
        "calls_of_subject": _bucket(limits.calls_per_second_per_subject),
    }
    # JSON is YAML too, so every value may stand where the template names it.
    return Template(_file("edge.yaml")).substitute(
        {name: json.dumps(value) for name, value in values.items()}
    )


def _token(jwks_path: str, issuer: str, audience: str) -> Json:
    return {
        "issuer": issuer,
        "audiences": [audience],
        "local_jwks": {"filename": jwks_path},
        "forward": True,  # services verify it again
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        "payload_in_metadata": "jwt",
        # Checking a signature costs more than all the rest of the edge's work on a call.
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
    }


def _transcoder(
    descriptors: FileDescriptorSet, contracts: Sequence[Contract], delimiter: str, limits: Limits
) -> Json:
    packages = {contract.package for contract in contracts} | DETAIL_PACKAGES
    kept = for_envoy(descriptors, packages)
    return {
        "@type": f"type.googleapis.com/{TRANSCODER}",
        "proto_descriptor_bin": b64encode(kept.SerializeToString()).decode(),
        "services": [contract.name for contract in contracts],
        "convert_grpc_status": True,  # google.rpc.Status with its details as the body
        # A capacity of 0 and an empty list of slots are answers, so they are printed.
        "print_options": {"always_print_primitive_fields": True, delimiter: True},
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
        "ignored_query_parameters": [TOKEN_PARAMETER],  # the edge's, not a field
        "max_request_body_size": limits.swallowed_bytes,
        "max_response_body_size": limits.answer_bytes,
        "url_unescape_spec": "ALL_CHARACTERS",  # ids may hold : and @
    }


def _file(name: str) -> str:
    return files("gateway.envoy").joinpath(name).read_text(encoding="utf-8")


def _bucket(calls_per_second: int) -> Json:
    return {
        "max_tokens": calls_per_second,
        "tokens_per_fill": calls_per_second,
        "fill_interval": "1s",
    }
