"""Many old items at half the price: what was ingested on past days, through Bedrock's batch inference."""

from __future__ import annotations
