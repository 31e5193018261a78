"""A unix socket at which programs on this machine ask for their tokens."""
