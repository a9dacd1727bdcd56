"""The local run: the same pipeline, with folders for the buckets, files for the sources and an emulator for Bedrock."""
