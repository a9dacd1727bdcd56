"""One call and its retries: what is retried, when, how often, and when to stop."""
