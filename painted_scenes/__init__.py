"""Sample data: driving scenes painted by procedure, in two looks, in official dataset layouts.

Order of the rooms: ``scene`` (what stands where) -> ``render`` (geometry to pixels and labels)
-> ``looks`` (weather, exposure, sensor) -> ``write`` (files as GTA5, Cityscapes and BDD100K).
"""
