"""Mail as it travels: MIME in and out."""
