"""The one error of the local stack: a sentence a person can act on."""


class StackError(Exception):
    """Something keeps the stack from running; the message says what, and what to do."""
