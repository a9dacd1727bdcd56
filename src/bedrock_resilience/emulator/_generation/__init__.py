"""What makes the answers of the emulator: an extractor by default, any local language model if asked."""
