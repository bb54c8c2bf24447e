"""Envoy, the only public door: its configuration as a template that every deployment renders."""

from gateway.envoy.limits import Limits
from gateway.envoy.render import render

__all__ = ["Limits", "render"]
