"""The stack on one machine: real servers from wheels, one process per service, Envoy in front."""

from deploy.local.errors import StackError
from deploy.local.stack import Stack, running_servers, running_stack

__all__ = ["Stack", "StackError", "running_servers", "running_stack"]
