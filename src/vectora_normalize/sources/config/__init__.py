"""The client's configuration and the catalogue."""
