"""Which call goes to which cluster, how long it may take and when it is sent again."""

from collections.abc import Iterator, Sequence

from gateway.envoy.clusters import WEB
from gateway.envoy.contracts import Contract, Method
from gateway.envoy.limits import Limits

Json = dict[str, object]
TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
# Nothing reached the service, so every call may be sent again.
NOT_SENT = "connect-failure,refused-stream,reset-before-request"
RETRY_COUNT = 2
# Everything that needs no token: the page, the description of the API, webhooks with signatures.
PUBLIC: tuple[Json, ...] = (
    {"path": "/"},
    {"path": "/favicon.ico"},
    {"path": "/openapi.json"},
    {"prefix": "/assets/"},
    {"prefix": "/docs"},
    {"prefix": "/webhooks/"},
)
# Where JSON is: what we say ourselves, and what old clients say.
JSON_PREFIXES = ("/v1/", "/availability")
TOKEN_FILTERS = tuple(
    f"envoy.filters.http.{name}"
    for name in ("jwt_authn", "rbac", "header_mutation", "buffer", "lua", "grpc_json_transcoder")
)
PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"


def routes(contracts: Sequence[Contract], limits: Limits, events: Json) -> list[Json]:
    """Returns the routes in the order in which they are tried.

    Args:
        contracts: what is served.
        limits: deadlines.
        events: settings of the transcoder that writes Server-Sent Events.
    """
    listed = [
        route
        for contract in contracts
        for method in contract.methods
        for route in _of_method(contract, method, limits, events)
    ]
    listed += [_unary(contract, {"prefix": f"/{contract.name}/"}, limits) for contract in contracts]
    # JSON comes here first; the transcoder then refuses it, or rewrites its path so that one of the
    # routes above takes it. A direct response would do but for CORS, which wants a real route.
    listed += [_unary(contracts[0], {"prefix": prefix}, limits) for prefix in JSON_PREFIXES]
    listed += [_public(match, limits) for match in PUBLIC]
    listed.append({"match": {"prefix": "/"}, "direct_response": {"status": 404}})
    return listed


def _public(match: Json, limits: Limits) -> Json:
    """Returns the route of something that is read, or sent to us, without a token."""
    off = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    return {
        "name": WEB,
        "match": match,
        "route": {
            "cluster": WEB,
            "timeout": f"{limits.call_seconds}s",
            "idle_timeout": f"{limits.call_seconds}s",
            "retry_policy": _retry_policy(NOT_SENT),
        },
        # The process behind it reads a body as it comes, and decides how much and how long.
        "typed_per_filter_config": dict.fromkeys(TOKEN_FILTERS, off),
    }


def _of_method(contract: Contract, method: Method, limits: Limits, events: Json) -> Iterator[Json]:
    """Yields the routes of one method, if it needs any beside its service's."""
    path: Json = {"path": f"/{contract.name}/{method.name}"}
    if not method.streams:
        if method.reads or method.response_field:
            yield _unary(contract, path, limits, method)
        return
    yield {"name": contract.context, "match": path, "route": _endless(contract, limits)}
    if method.get_path:
        accept = {"name": "accept", "string_match": {"contains": "text/event-stream"}}
        yield {
            "name": contract.context,
            "match": {"path": method.get_path, "headers": [accept]},
            "route": _endless(contract, limits),
            "typed_per_filter_config": {TRANSCODER: events},
        }


def _unary(contract: Contract, match: Json, limits: Limits, method: Method | None = None) -> Json:
    retry_on = f"{NOT_SENT},unavailable,reset" if method and method.reads else NOT_SENT
    route: Json = {
        "name": f"{contract.context}.{method.name}" if method else contract.context,
        "match": match,
        "route": {
            "cluster": contract.context,
            "timeout": f"{limits.longest_call_seconds}s",
            "max_stream_duration": {"grpc_timeout_header_max": f"{limits.longest_call_seconds}s"},
            "retry_policy": _retry_policy(retry_on),
        },
        # Services refuse a call without a deadline; browsers and curl send none.
        "request_headers_to_add": [
            {
                "header": {"key": "grpc-timeout", "value": f"{limits.call_seconds}S"},
                "append_action": "ADD_IF_ABSENT",
            }
        ],
    }
    if method and method.response_field:
        # For edge.lua.
        unwrap = {"field": method.response_field}
        route["metadata"] = {"filter_metadata": {"envoy.filters.http.lua": unwrap}}
    return route


def _endless(contract: Contract, limits: Limits) -> Json:
    return {
        "cluster": contract.context,
        "timeout": "0s",
        "idle_timeout": f"{limits.watch_idle_seconds}s",
        "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        "retry_policy": _retry_policy(NOT_SENT),
    }


def _retry_policy(retry_on: str) -> Json:
    return {
        "retry_on": retry_on,
        "num_retries": RETRY_COUNT,
        "retry_back_off": {"base_interval": "0.02s", "max_interval": "0.25s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"type.googleapis.com/{PREVIOUS_HOSTS}"},
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }
