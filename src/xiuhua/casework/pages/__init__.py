"""The pages of the engine, the same for every procedure: one concept a file."""
