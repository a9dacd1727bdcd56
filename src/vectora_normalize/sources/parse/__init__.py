"""Parsers: documents to entries."""
