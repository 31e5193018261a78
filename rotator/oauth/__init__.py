"""How a token is minted: requests are built and answers read by functions without I/O; one thin transport between."""
