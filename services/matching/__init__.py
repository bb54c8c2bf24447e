"""Matching: who suits a request best, and why."""
