"""Envoy's own refusals, told in the words of the contract: google.rpc.Status with ErrorInfo."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

Json = dict[str, object]
CEL_FILTER = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
ERROR_DOMAIN = "fairslot"
TYPE_PREFIX = "type.googleapis.com/google.rpc."
# Envoy's flags for "the connection broke while the service had the call".
BROKEN_OFF_FLAGS = ("UC", "UR", "LR")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One refusal: the HTTP statuses it stands for, and what the caller is told."""

    statuses: tuple[int, ...]
    code: int  # google.rpc.Code
    http: int
    reason: str
    message: str
    retry_after_seconds: int = 0
    only_if: Json = field(default_factory=dict)  # an access log filter that must hold too


def known_replies() -> tuple[Reply, ...]:
    """Returns the refusals, the special before the general."""
    return (*_of_the_callers_making(), *_of_our_making())


def _of_the_callers_making() -> tuple[Reply, ...]:
    return (
        Reply(
            statuses=(401,),
            code=code_pb2.UNAUTHENTICATED,
            http=401,
            reason="UNAUTHENTICATED",
            message="There is no valid token: it is missing, malformed, expired or not ours.",
        ),
        Reply(
            # Envoy says 403 of a good token for another audience; to us it is no token of ours.
            statuses=(403,),
            only_if=_cel("response.code_details.startsWith('jwt_authn_access_denied')"),
            code=code_pb2.UNAUTHENTICATED,
            http=401,
            reason="UNAUTHENTICATED",
            message="The token is meant for somebody else.",
        ),
        Reply(
            statuses=(403,),
            code=code_pb2.PERMISSION_DENIED,
            http=403,
            reason="PERMISSION_DENIED",
            message="The token does not allow this call.",
        ),
        Reply(
            statuses=(404, 405),
            code=code_pb2.NOT_FOUND,
            http=404,
            reason="NOT_FOUND",
            message="There is nothing at this address.",
        ),
        Reply(
            statuses=(413,),
            code=code_pb2.RESOURCE_EXHAUSTED,
            http=413,
            reason="PAYLOAD_TOO_LARGE",
            message="The message is larger than the service takes.",
        ),
        Reply(
            statuses=(429,),
            code=code_pb2.RESOURCE_EXHAUSTED,
            http=429,
            reason="RATE_LIMITED",
            message="Too many calls; wait a little.",
            retry_after_seconds=1,
        ),
    )


def _of_our_making() -> tuple[Reply, ...]:
    return (
        Reply(
            statuses=(408, 504),
            code=code_pb2.DEADLINE_EXCEEDED,
            http=504,
            reason="DEADLINE_EXCEEDED",
            message="Time ran out; a write may have happened. Repeat it with the same key.",
        ),
        Reply(
            statuses=(502, 503),
            only_if={"response_flag_filter": {"flags": list(BROKEN_OFF_FLAGS)}},
            code=code_pb2.UNAVAILABLE,
            http=503,
            reason="OUTCOME_UNKNOWN",
            message="The answer was lost; a write may have happened. Repeat it with the same key.",
            retry_after_seconds=1,
        ),
        Reply(
            statuses=(502, 503),
            code=code_pb2.UNAVAILABLE,
            http=503,
            reason="UNAVAILABLE",
            message="The service cannot be reached; nothing was done. Repeat the call.",
            retry_after_seconds=1,
        ),
    )


def mappers(replies: Sequence[Reply]) -> list[Json]:
    """Returns Envoy's local reply mappers: each refusal for gRPC callers, then for all others."""
    listed = [one for reply in replies for one in (_grpc_mapper(reply), _json_mapper(reply))]
    # What is left is the caller's fault, and Envoy knows best which.
    listed.append(
        {
            "filter": _all_of({"status_code_filter": _comparison("EQ", 400)}),
            "body_format_override": {
                "json_format": _status_json(
                    code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT", "%LOCAL_REPLY_BODY%", 0
                )
            },
        }
    )
    return listed


def _grpc_mapper(reply: Reply) -> Json:
    details = b64encode(_status(reply).SerializeToString()).decode().rstrip("=")
    return {
        "filter": _all_of(_is_one_of(reply.statuses), *_IS_GRPC, reply.only_if),
        "body_format_override": {"text_format_source": {"inline_string": reply.message}},
        "headers_to_add": [
            _header("grpc-status", str(reply.code)),
            _header("grpc-status-details-bin", details),
        ],
    }


def _json_mapper(reply: Reply) -> Json:
    mapper: Json = {
        "filter": _all_of(_is_one_of(reply.statuses), reply.only_if),
        "status_code": reply.http,
        "body_format_override": {
            "json_format": _status_json(
                reply.code, reply.reason, reply.message, reply.retry_after_seconds
            )
        },
    }
    if reply.retry_after_seconds:
        mapper["headers_to_add"] = [_header("retry-after", str(reply.retry_after_seconds))]
    return mapper


def _status(reply: Reply) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=reply.reason, domain=ERROR_DOMAIN)
    details = [_packed(info)]
    if reply.retry_after_seconds:
        delay = Duration(seconds=reply.retry_after_seconds)
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=reply.code, message=reply.message, details=details)


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def _status_json(code: int, reason: str, message: str, retry_after_seconds: int) -> Json:
    info = {"@type": f"{TYPE_PREFIX}ErrorInfo", "reason": reason, "domain": ERROR_DOMAIN}
    details: list[Json] = [info | {"metadata": {}}]
    if retry_after_seconds:
        details.append(
            {"@type": f"{TYPE_PREFIX}RetryInfo", "retryDelay": f"{retry_after_seconds}s"}
        )
    return {"code": code, "message": message, "details": details}


def _header(key: str, value: str) -> Json:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


# The transcoder makes gRPC of JSON and leaves the old path behind; its caller still wants JSON.
_IS_GRPC: tuple[Json, ...] = (
    {
        "header_filter": {
            "header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
        }
    },
    {"header_filter": {"header": {"name": "x-envoy-original-path", "present_match": False}}},
)


def _cel(expression: str) -> Json:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": f"type.googleapis.com/{CEL_FILTER}",
                "expression": expression,
            },
        }
    }


def _is_one_of(statuses: tuple[int, ...]) -> Json:
    filters: list[Json] = [{"status_code_filter": _comparison("EQ", status)} for status in statuses]
    return {"or_filter": {"filters": filters}} if len(filters) > 1 else filters[0]


def _comparison(operator: str, status: int) -> Json:
    # Envoy wants a runtime key; nothing sets it, so the default counts.
    value = {"default_value": status, "runtime_key": f"fairslot.status_{status}"}
    return {"comparison": {"op": operator, "value": value}}


def _all_of(*filters: Json) -> Json:
    """Returns the conjunction of the filters that are not empty."""
    present = [one for one in filters if one]
    return {"and_filter": {"filters": present}} if len(present) > 1 else present[0]
