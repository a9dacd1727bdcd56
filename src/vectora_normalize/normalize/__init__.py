"""Makes normalized items of raw ones, with Bedrock."""
