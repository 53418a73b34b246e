"""Benchmarks of the history."""
