"""Pictures and label maps decoded and written, anything written whole or not at all. No torch."""
