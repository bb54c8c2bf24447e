"""The gateway: Envoy's configuration, the change feed for planners, later their page."""
