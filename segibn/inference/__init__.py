"""A network becomes a callable: sizes, views, windows, confidence."""
