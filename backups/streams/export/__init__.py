"""Items as files that people open: which format, which name, one file or many."""
