"""The stack on one machine: real servers from wheels, one process per service, Envoy in front."""

from deploy.local.errors import StackError
from deploy.local.oblivion import forget
from deploy.local.rundir import RunDir
from deploy.local.stack import Stack, running_servers, running_stack

__all__ = ["RunDir", "Stack", "StackError", "forget", "running_servers", "running_stack"]
