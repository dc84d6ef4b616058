"""Pictures and videos of users, in and out, around any predictor; no module needs torch.

From `sources` to `outputs` by `predicting`, with a `journal` of what is done and `faults`.
"""
