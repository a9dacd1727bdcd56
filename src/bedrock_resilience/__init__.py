"""Calls to Amazon Bedrock that survive throttling."""
