"""The embedded servers of `rotator demo`: a real OpenBao server and an authorization server, both on loopback."""
