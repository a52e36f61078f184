"""Measurements; each prints what it measured on, and its figures."""
