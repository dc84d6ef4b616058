"""Sample data: synthetic driving scenes in two styles of appearance, in official dataset layouts.

``scene`` (what stands where) -> ``render`` (geometry to pixels and labels) -> ``styles`` (weather,
exposure, sensor) -> ``write`` (files as GTA5, Cityscapes and BDD100K).
"""
