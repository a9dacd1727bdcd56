"""From raw items to normalised ones, by way of Bedrock."""
