"""Procedures of the engine's own tests."""
