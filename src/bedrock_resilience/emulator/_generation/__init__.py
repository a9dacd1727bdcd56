"""Responders: a deterministic extractor by default, or any local language model."""
