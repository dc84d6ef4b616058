"""Looking into networks: domains' distance in features, and what a change of appearance costs."""
