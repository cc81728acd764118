"""The roof of the house: settings, addresses, site; it may import everything, nobody imports it."""
