"""Quotas as data, and how Bedrock counts tokens against them."""
