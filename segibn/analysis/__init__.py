"""Looking into networks: how far apart two domains lie in their features."""
