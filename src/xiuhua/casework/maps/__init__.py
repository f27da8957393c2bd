"""What the map page is served with: vector tiles, drawn areas, nearest components."""
