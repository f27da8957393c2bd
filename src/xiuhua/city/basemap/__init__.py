"""The tile proxy: base maps of the configured providers, under our own address and in our own datum.

It keeps the provider's token on the server, cuts tiles of degrees (EPSG:4490) anew for the web's Mercator squares,
puts pictures drawn in GCJ-02 or BD-09 back where they belong, keeps what it fetched on disk and asks for no tile twice
at a time. Only providers named in the settings are ever asked. ADR 0036.
"""
