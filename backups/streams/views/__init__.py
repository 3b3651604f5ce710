"""What can be shown of an item, by the kind of item it is."""
