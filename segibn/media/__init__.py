"""Media room: pictures and videos of users, in and out, around any predictor.

In: paths, folders, globs and videos as people have them (``sources``, ``kinds``, ``stills``,
``video``). Out: label maps, pictures and videos (``outputs``, ``video_writer``, ``codecs``), a
record of what is done (``journal``) and of what could not be read (``faults``). ``predicting`` goes
from one to the other. No module needs torch; a predictor is any callable.
"""
