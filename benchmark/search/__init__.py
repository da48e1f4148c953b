"""Searches over training images: optimizers and rates, initial states."""
