"""Fixtures of the house; each room has its own beside its tests."""
