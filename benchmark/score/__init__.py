"""What is measured on arrays: no networks, no files."""
