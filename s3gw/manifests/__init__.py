"""Manifests of batches: what they name, and the reports of what became of it."""
