"""Clients of other projects, unmodified, under ``protect``: ``make clients`` prints the table."""
