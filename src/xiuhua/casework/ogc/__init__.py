"""OGC API – Features: cases and ground for desktop GIS, read only, by token. ADR 0037."""
