"""Networks that read: their weights, what they see, and how well they read."""
