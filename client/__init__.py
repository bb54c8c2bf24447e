"""A typed client of Fairslot's public API, through the gateway only."""

from client import methods
from client.connection import Call, Client, Observer, open_channel, open_client
from client.methods import Method
from client.refusal import Refusal

__all__ = [
    "Call",
    "Client",
    "Method",
    "Observer",
    "Refusal",
    "methods",
    "open_channel",
    "open_client",
]
