"""Pages of the command room."""
