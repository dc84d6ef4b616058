"""Other tools' annotations: read into label maps, and written for correction by hand. No torch."""
