"""Terms of the objective beside the segmentation loss, one module each; see `engine.objective`."""
