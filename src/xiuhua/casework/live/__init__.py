"""Live update: what changed, told to those who may see it, while it happens (ADR 32)."""
