"""Documents read into entries."""
