"""The run: request in, summary out; everything it touches is handed in."""
