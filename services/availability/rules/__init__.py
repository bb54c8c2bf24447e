"""The rules of time, slots and eligibility as pure functions."""
