"""Measures the feed: from the commit of a change to those who watch, and how many may watch."""
