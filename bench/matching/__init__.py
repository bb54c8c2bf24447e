"""Measures matching: ranking, joint plans, a fair year, and what a shadow costs."""
