"""From raw items to normalized ones, by way of Bedrock."""
