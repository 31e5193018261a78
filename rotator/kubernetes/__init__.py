"""How a Kubernetes Secret is kept: one thin transport to the API server, and server-side apply."""
