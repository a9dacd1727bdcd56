"""Listeners: what can be done with events, one file each."""
