"""The item stream itself: operations, properties, the tree, its parts, its digest, its record."""
