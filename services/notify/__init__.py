"""Notify: shapes what happened into what planners watch, and keeps the feed."""
