"""Normalizes the items of past days with Bedrock's batch inference, at half the price of single calls."""

from __future__ import annotations
