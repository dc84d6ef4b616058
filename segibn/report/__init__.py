"""The HTML report and the model card: what files of runs say, rendered by templates."""
