"""What the emulated operations do."""
