"""Builders: config objects come in, plain objects of the other rooms go out. Config stops here."""
