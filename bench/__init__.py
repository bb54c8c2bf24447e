"""Measuring and checking Fairslot from outside: the demo, the history checker, the table."""
