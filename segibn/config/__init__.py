"""The typed description of a run: ``schema`` says what may stand in it, ``load`` reads it."""
