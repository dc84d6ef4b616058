"""Files: pictures and label maps decoded and written, anything written whole or not at all.

Knows nothing about data sets, labels or models, and needs no torch.
"""
