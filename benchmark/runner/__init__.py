"""The stages of a run: rate, batches, rows, scores."""
