"""Ways out of the house: one file a protocol. A channel is a function of its settings, an address and a `Message`."""
