"""HTTP: routes, replies and the server."""
