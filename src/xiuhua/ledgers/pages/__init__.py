"""Pages of the ledgers."""
