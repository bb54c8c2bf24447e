"""The pure rules: what planners see of what happened, and how webhooks are told and told again."""

from services.notify.rules.addresses import Networks, address_refusal, url_refusal
from services.notify.rules.changes import changes_of
from services.notify.rules.hooks import ATTEMPTS_MAX, message_of, outcome_of, wait_after

__all__ = [
    "ATTEMPTS_MAX",
    "Networks",
    "address_refusal",
    "changes_of",
    "message_of",
    "outcome_of",
    "url_refusal",
    "wait_after",
]
