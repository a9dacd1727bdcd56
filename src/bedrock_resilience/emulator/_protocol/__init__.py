"""Requests and responses as data: Converse, InvokeModel bodies, event streams, validation."""
