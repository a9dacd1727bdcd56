"""The ingest-normalize Lambda: news in, structured items out."""
