"""Where Envoy sends calls: one cluster per context, balanced per call over its replicas."""

from collections.abc import Sequence
from ipaddress import ip_address

from gateway.envoy.limits import Limits

Json = dict[str, object]
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
KEEPALIVE: Json = {"interval": "30s", "timeout": "5s"}
STREAMING_CONTEXT = "gateway"
# The gateway's plain HTTP: the page, the description of the API, calendar webhooks.
WEB = "web"


def cluster(context: str, endpoints: Sequence[tuple[str, int]], limits: Limits) -> Json:
    """Returns the cluster of a context; with no endpoints its calls are refused as UNAVAILABLE."""
    named = any(not _is_address(host) for host, _ in endpoints)
    calls = limits.concurrent_calls
    if context == STREAMING_CONTEXT:
        calls = limits.concurrent_watches
    options: Json = {"http2_protocol_options": {"connection_keepalive": KEEPALIVE}}
    return _cluster(context, endpoints, calls, named, options) | {
        "health_checks": [_health_check() | {"grpc_health_check": {}}]
    }


def web_cluster(endpoints: Sequence[tuple[str, int]], limits: Limits) -> Json:
    """Returns the cluster of the gateway's plain HTTP."""
    named = any(not _is_address(host) for host, _ in endpoints)
    options: Json = {"http_protocol_options": {}}
    return _cluster(WEB, endpoints, limits.concurrent_calls, named, options) | {
        "health_checks": [_health_check() | {"http_health_check": {"path": "/healthz"}}]
    }


def _cluster(
    name: str, endpoints: Sequence[tuple[str, int]], calls: int, named: bool, options: Json
) -> Json:
    return {
        "name": name,
        # A name may stand for many replicas that come and go, so every address behind it is used.
        "type": "STRICT_DNS" if named else "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(host, port) for host, port in endpoints]}],
        },
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicit_http_config": options,
            }
        },
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 1_024, "max_pending_requests": calls, "max_requests": calls}
                | {"retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 16}}
            ]
        },
    }


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(host: str, port: int) -> Json:
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}


def _health_check() -> Json:
    return {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_interval": "0.25s",  # a restarted replica is used again soon
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "always_log_health_check_failures": False,
    }


def _outlier_detection() -> Json:
    """Ejects a replica that cannot be reached; its answers are the health check's business."""
    return {
        # Answers count apart: five deadlines of impatient callers must not cost a replica.
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 5,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_percent": 50,
    }
