"""Pictures and videos of users, in and out, around any predictor; no module needs torch."""

FOLDERS = {  # of what can be saved
    "labels": "labels",  # <name>.png: (H, W) train ids, shown in the palette's colours
    "confidence": "confidence",  # <name>.png: (H, W) 0..255, the probability of each pixel's class
    "color": "colors",  # <name>.png: the palette's colours
    "overlay": "overlays",  # <name>.jpg: the colours laid over the frame
    "side-by-side": "side_by_side",  # <name>.jpg: frame and overlay
    "video": "videos",  # <name>.mp4, VP8 in .webm: one of the last three, of each frame
}
SHOWN_IN_VIDEOS = ("overlay", "side-by-side", "color")
PALETTES = ("own", "distinct")  # whose colours: the network's, or `labels.palettes`'s
