"""The emulated operations."""
