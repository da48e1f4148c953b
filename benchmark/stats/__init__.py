"""Differences, bands, verdicts and intervals."""
