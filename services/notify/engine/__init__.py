"""Webhooks: a tenant's own endpoints, and the courier that takes messages there."""

from services.notify.engine.courier import Courier, Sender
from services.notify.engine.hooks import ENDPOINTS_MAX, Hooks, new_secret

__all__ = ["ENDPOINTS_MAX", "Courier", "Hooks", "Sender", "new_secret"]
