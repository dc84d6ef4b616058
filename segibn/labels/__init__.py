"""Labels: what a pixel value of a data set means, and the class schemes it is read in."""

CLASS_SCHEMES = ("cityscapes19", "street11", "synthia16", "synthia13", "camvid11", "idd7", "drivable3")
"""Names of the class lists that a network can be trained for."""
