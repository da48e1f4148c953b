"""SQLite, and the view that tables are made from."""
