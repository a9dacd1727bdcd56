"""The embedded run: folders for the buckets, files for the sources, an emulator for Bedrock, and the same pipeline."""
