"""Metrics: what processes count as it happens, and what a monitor is told of all of them."""
