"""What trained networks read: masks and labels of originals and decoded images, and how well."""
