"""The worker's client, other threads, runs and batches."""
