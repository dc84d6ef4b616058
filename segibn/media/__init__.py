"""Pictures and videos of users, in and out, around any predictor; no module needs torch.

From `sources` to `outputs` by `predicting`, with a `journal` of what is done and `faults`.
"""

SHOWN_IN_VIDEOS = ("overlay", "side-by-side", "color")
SAVED = ("labels", "color", "overlay", "side-by-side", "video")
"""What can be written of a source. Both are words of the command line, whose help needs no more."""
