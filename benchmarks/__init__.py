"""Benchmarks; each is a command that prints its measurements."""
