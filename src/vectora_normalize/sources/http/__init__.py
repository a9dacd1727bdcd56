"""The HTTP client for sources; no other module connects to them."""
