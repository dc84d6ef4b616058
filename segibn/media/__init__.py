"""Pictures and videos of users, in and out, around any predictor; no module needs torch."""

# Words of the command line, whose help needs no more of this room.
SHOWN_IN_VIDEOS = ("overlay", "side-by-side", "color")
SAVED = ("labels", "color", "overlay", "side-by-side", "video")
