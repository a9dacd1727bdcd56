"""What is kept, and who may write it."""
