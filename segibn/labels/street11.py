"""street11: the 11 classes that CamVid, Cityscapes, GTA5 and BDD100K can all be read in.

CamVid is the coarsest of the four, so its grouping decides (see ``camvid.py``): what its one
value covers is gathered here from the 19 classes of the others. Chosen, and worth knowing:

- ``sign`` holds traffic lights, ``car`` holds trucks, buses and trains, ``vegetation`` holds
  terrain: CamVid's frames paint each group alike, grass verges as trees.
- ``building`` holds free-standing walls, by the usual account of CamVid's grouping.
- ``bicyclist`` holds riders, bicycles and motorcycles: CamVid paints a cyclist and the bicycle as
  one. Parked bicycles are void in CamVid, but cannot be told apart in the others' label maps, so
  there they count as this class: a network trained on CamVid alone never saw one named.
- Only the 19 evaluated classes take part. Cityscapes' bridges, parking and pole groups, which its
  own evaluation ignores, are ignored here too, so that Cityscapes and BDD100K mean the same.
"""

from segibn.labels.label_set import ClassSpec

# fmt: off
STREET11 = (
    #         class          colour (RGB)      Cityscapes' classes, then CamVid's if other
    ClassSpec("sky",         ( 70, 130, 180), ("sky",)),
    ClassSpec("building",    ( 70,  70,  70), ("building", "wall")),
    ClassSpec("pole",        (153, 153, 153), ("pole",)),
    ClassSpec("road",        (128,  64, 128), ("road",)),
    ClassSpec("sidewalk",    (244,  35, 232), ("sidewalk", "pavement")),
    ClassSpec("vegetation",  (107, 142,  35), ("vegetation", "terrain", "tree")),
    ClassSpec("sign",        (220, 220,   0), ("traffic sign", "traffic light", "sign")),
    ClassSpec("fence",       (190, 153, 153), ("fence",)),
    ClassSpec("car",         (  0,   0, 142), ("car", "truck", "bus", "train")),
    ClassSpec("person",      (220,  20,  60), ("person", "pedestrian")),
    ClassSpec("bicyclist",   (119,  11,  32), ("rider", "bicycle", "motorcycle", "bicyclist")),
)
# fmt: on
