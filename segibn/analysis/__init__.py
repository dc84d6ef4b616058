"""Looking into networks: how two domains differ in their features, and what an appearance costs."""
